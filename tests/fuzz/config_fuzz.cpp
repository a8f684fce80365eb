// A model's config.json: what is read is written and read again as the same.
#include "saobp/model/config.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace saobp;
  fuzz::attempt([&] {
    const auto config = model::config_from_json(io::parse_json(fuzz::whole(data, size), "config.json"), "config.json");
    fuzz::require(config.parameters() > 0, "a model has parameters, and their number fits");
    fuzz::require(model::default_strength(config) > 0, "every model has a strength");
    const io::Json written = model::to_json(config);
    std::optional<model::ModelConfig> again;
    fuzz::require(fuzz::attempt([&] { again = model::config_from_json(written, "copy"); }), "what is written is read");
    fuzz::require(model::to_json(*again) == written, "a config that was written and read is the same");
  });
  return 0;
}
