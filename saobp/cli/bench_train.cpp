#include <algorithm>
#include <cstdio>

#include "saobp/cli/bench_model.h"
#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/flags.h"
#include "saobp/train/same_on_ranks.h"
#include "saobp/train/wording.h"

namespace saobp::cli {
namespace {

struct BenchTrain {
  BenchModelOptions options;
  train::DistributedOptions distributed;
  int64_t steps = 5;
  std::string compare;
  Console console;

  void run() {
    options.check();
    train::among_ranks(distributed, [&](const train::World& world) {
      train::require_same_on_ranks(shared_options(), world);
      compare.empty() ? time_one(world) : time_two(world);
    });
  }

  // What the ranks have to agree upon, by the flags' names.
  io::Json shared_options() const {
    return {{"--model", options.model},
            {"--attention", io::enum_name(options.attention)},
            {"--strength", options.strength ? io::Json(*options.strength) : io::Json()},
            {"--length", options.length},
            {"--batch", options.batch},
            {"--dtype", io::enum_name(options.dtype)},
            {"--steps", steps},
            {"--compare", compare},
            {"--bucket-mb", distributed.bucket_mb}};
  }

  void time_one(const train::World& world) {
    TimedTraining training(options, world, distributed.bucket_mb);
    training.step();  // warms up
    std::vector<double> seconds(static_cast<size_t>(steps));
    for (double& each : seconds) each = training.step();
    const double best = *std::min_element(seconds.begin(), seconds.end());
    const double tokens_per_s = static_cast<double>(world.size() * options.batch * options.length) / best;
    if (!world.is_first()) return;
    const std::string kernel = attention::last_kernel();
    char line[400];
    std::snprintf(line, sizeof line, "%s, %s attention (%s), %lld×%lld%s: %.0f tokens/s, %.1f ms a step, peak %lld MB",
                  described(options, training.config()).c_str(), io::enum_name(options.attention).c_str(),
                  kernel.c_str(), static_cast<long long>(options.batch), static_cast<long long>(options.length),
                  on_ranks(world).c_str(), tokens_per_s, 1e3 * best, static_cast<long long>(train::peak_rss_mb()));
    console.line(line);
    auto result = settings(world, training.config());
    result.update({{"attention", io::enum_name(options.attention)},
                   {"tokens_per_s", tokens_per_s},
                   {"step_ms", 1e3 * best},
                   {"parameters", training.config().parameters()},
                   {"peak_rss_mb", train::peak_rss_mb()},
                   {"kernel", kernel}});
    console.result(result);
  }

  // Two variants in turn, so that both meet the same machine.
  void time_two(const train::World& world) {
    const size_t comma = compare.find(',');
    if (comma == std::string::npos)
      fail_usage("--compare: \"", compare, "\" was given; two variants were expected, such as high,original");
    const auto training_of = [&](const std::string& name) {
      auto own = options;
      own.attention = io::parse_enum<attention::Variant>(name, "--compare");
      return TimedTraining(own, world, distributed.bucket_mb);
    };
    const std::string first = compare.substr(0, comma), second = compare.substr(comma + 1);
    TimedTraining one = training_of(first), other = training_of(second);
    one.step(), other.step();
    std::vector<double> ones, others, ratios;
    for (int64_t i = 0; i < steps; ++i) {
      ones.push_back(one.step());
      others.push_back(other.step());
      ratios.push_back(ones.back() / others.back());
    }
    if (!world.is_first()) return;
    char line[400];
    std::snprintf(line, sizeof line, "%s, %lld×%lld%s: %s %.1f ms a step, %s %.1f ms; median ratio %.3f",
                  described(options, one.config()).c_str(), static_cast<long long>(options.batch),
                  static_cast<long long>(options.length), on_ranks(world).c_str(), first.c_str(), 1e3 * median_of(ones),
                  second.c_str(), 1e3 * median_of(others), median_of(ratios));
    console.line(line);
    auto result = settings(world, one.config());
    result.update({{"compare", {first, second}},
                   {"step_ms", {1e3 * median_of(ones), 1e3 * median_of(others)}},
                   {"ratio", median_of(ratios)},
                   {"steps", steps}});
    console.result(result);
  }

  std::string on_ranks(const train::World& world) const {
    return world.size() > 1 ? concat(" on each of ", world.size(), " ranks") : "";
  }

  io::Json settings(const train::World& world, const model::ModelConfig& config) const {
    return {{"model", options.model}, {"vocab_size", config.vocab_size},       {"length", options.length},
            {"batch", options.batch}, {"dtype", io::enum_name(options.dtype)}, {"threads", at::get_num_threads()},
            {"ranks", world.size()}};
  }
};

}  // namespace

void add_bench_train(CLI::App& bench) {
  auto state = std::make_shared<BenchTrain>();
  auto* command = bench.add_subcommand(
      "train",
      "Time the trainer's own step (forward, backward, AdamW) on random ids; under torchrun that of all ranks");
  state->options.add_flags(*command, "f32, or bf16 with weights kept in f32");
  FieldsToFlags flags{*command};
  flags("steps", state->steps, "timed steps, of which the best counts", io::between(1, 65536));
  flags("compare", state->compare,
        "two variants, such as high,original: steps in turn, and the median of their ratios");
  add_flags(*command, state->distributed);
  state->console.add_flag(*command);
  add_example(*command, "Example:\n  saobp bench train --model bert-mini --attention high --compare high,original");
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli
