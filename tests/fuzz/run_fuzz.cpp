// What a run goes on from, with NUL bytes between: the step up to which metrics.jsonl is kept, metrics.jsonl, and
// state.json with a file that it holds the checksum of.
#include <charconv>

#include "saobp/io/sealed_json.h"
#include "saobp/train/metrics_log.h"
#include "saobp/train/run_state.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace saobp;

void check_log(const fuzz::Folder& folder, std::string_view text, int64_t last_step) {
  const auto path = folder.write("run/metrics.jsonl", text);
  folder.remove("run/metrics.jsonl.damaged");
  const bool opened = fuzz::attempt([&] {
    const train::MetricsLog log(path, last_step);
    for (const auto& line : log.kept()) fuzz::require(line.at("step").get<int64_t>() <= last_step, "later lines go");
    if (!log.damage().empty())
      fuzz::require(io::read_file(folder / "run/metrics.jsonl.damaged") == text, "a damaged log is kept");
    const train::MetricsLog again(path, last_step);
    fuzz::require(again.damage().empty() && again.kept() == log.kept(), "a log that was read is read the same again");
  });
  fuzz::require(opened, "a log is opened whatever is in it");
}

// That of a file which is sealed; one in a million made-up ones is.
void check_state(const fuzz::Folder& folder, std::string_view text, std::string_view weights) {
  const auto path = folder.write("run/state.json", text);
  folder.write("run/model.safetensors", weights);
  fuzz::attempt([&] { io::read_sealed_json(path); });
  fuzz::attempt([&] {
    const auto state = train::run_state_from_json(io::parse_json(text, "state.json"), 1000, "state.json");
    fuzz::require(state.step >= 0 && state.step <= 1000 && state.ranks > 0, "what is out of range is refused");
    const auto written = train::to_json(state);
    fuzz::require(train::to_json(train::run_state_from_json(written, 1000, "copy")) == written,
                  "a state that is written is read");
    io::write_sealed_json(path, written, {});
    fuzz::require(io::read_sealed_json(path).json == written, "a state that is sealed is read");
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::Folder folder;
  const auto input = fuzz::parts(data, size, 4);
  int64_t last_step = 20;
  std::from_chars(input[0].data(), input[0].data() + input[0].size(), last_step);
  check_log(folder, input[1], last_step);
  check_state(folder, input[2], input[3]);
  return 0;
}
