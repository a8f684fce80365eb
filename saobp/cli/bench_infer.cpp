#include <algorithm>
#include <cstdio>

#include "saobp/cli/bench_model.h"
#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/flags.h"
#include "saobp/train/wording.h"

namespace saobp::cli {
namespace {

struct BenchInfer {
  BenchModelOptions options;
  int64_t repeats = 5;
  Console console;

  void run() {
    options.check();
    TimedInference inference(options);
    inference.pass();  // warms up
    std::vector<double> seconds;
    seconds.reserve(static_cast<size_t>(repeats));
    for (int64_t i = 0; i < repeats; ++i) seconds.push_back(inference.pass());
    const double best = *std::min_element(seconds.begin(), seconds.end());
    const double samples_per_s = static_cast<double>(options.batch) / best;
    const std::string kernel = attention::last_kernel();
    char line[400];
    std::snprintf(line, sizeof line, "%s, %s attention (%s), %lld×%lld: %.1f samples/s, %.1f ms a batch",
                  described(options, inference.config()).c_str(), io::enum_name(options.attention).c_str(),
                  kernel.c_str(), static_cast<long long>(options.batch), static_cast<long long>(options.length),
                  samples_per_s, 1e3 * best);
    console.line(line);
    console.result({{"model", options.model},
                    {"vocab_size", inference.config().vocab_size},
                    {"attention", io::enum_name(options.attention)},
                    {"length", options.length},
                    {"batch", options.batch},
                    {"dtype", io::enum_name(options.dtype)},
                    {"threads", at::get_num_threads()},
                    {"samples_per_s", samples_per_s},
                    {"batch_ms", 1e3 * best},
                    {"median_ms", 1e3 * median_of(seconds)},
                    {"parameters", inference.config().parameters()},
                    {"peak_rss_mb", train::peak_rss_mb()},
                    {"kernel", kernel}});
  }
};

}  // namespace

void add_bench_infer(CLI::App& bench) {
  auto state = std::make_shared<BenchInfer>();
  state->options.batch = 32;
  auto* command =
      bench.add_subcommand("infer", "Time the forward pass to the last hidden states, without a head, on random ids");
  state->options.add_flags(*command, "f32 or bf16");
  FieldsToFlags flags{*command};
  flags("repeats", state->repeats, "timed batches, of which the best counts", io::between(1, 65536));
  state->console.add_flag(*command);
  add_example(*command, "Example:\n  saobp bench infer --model bert-small --attention high --batch 32");
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli
