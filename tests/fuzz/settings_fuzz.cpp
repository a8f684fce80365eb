// Settings as run.json and files for --config hold them: those of the corpus, and of masking.
#include "saobp/data/corpus_options.h"
#include "saobp/data/masking.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace saobp;

template <class Options>
void check(const io::Json& json, const char* name) {
  if (!json.is_object() || !json.contains(name)) return;
  Options options, again;
  if (!fuzz::attempt([&] { io::update_fields(options, json.at(name), name); })) return;
  const io::Json written = io::fields_to_json(options);
  fuzz::require(fuzz::attempt([&] { io::update_fields(again, written, "copy"); }),
                "settings that are written are read");
  fuzz::require(io::fields_to_json(again) == written, "settings that were written and read are the same");
  if constexpr (std::is_same_v<Options, data::CorpusOptions>)
    fuzz::attempt([&] {
      for (const auto& source : data::parse_sources(options))
        fuzz::require(!source.weight || *source.weight > 0, "weights are positive");
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::attempt([&] {
    const io::Json json = io::parse_json(fuzz::whole(data, size), "settings.json");
    check<data::CorpusOptions>(json, "corpus");
    check<data::MaskingOptions>(json, "masking");
  });
  return 0;
}
