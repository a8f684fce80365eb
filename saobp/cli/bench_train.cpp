#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/flags.h"
#include "saobp/train/step.h"

namespace saobp::cli {
namespace {

struct BenchTrain {
  std::string model = "bert-mini", dtype = "f32";
  attention::Variant variant = attention::Variant::high;
  std::optional<double> strength;
  int64_t length = 128, batch = 16, threads = 0, steps = 5;
  Console console;

  // Random ids, 15 % of them masked: the same shapes and work as real text.
  data::MaskedBatch random_batch(int64_t vocab_size) const {
    data::MaskedBatch b;
    b.rows = batch, b.length = length;
    data::Random random(1, data::Purpose::masks);
    for (int64_t i = 0; i < batch * length; ++i) {
      b.input_ids.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(vocab_size))));
      if (random.uniform() >= 0.15) continue;
      b.positions.push_back(i);
      b.targets.push_back(b.input_ids.back());
    }
    if (b.positions.empty()) b.positions = {0}, b.targets = {b.input_ids[0]};
    b.attention_mask.assign(b.input_ids.size(), 1);
    return b;
  }

  void run() {
    if (dtype != "f32") fail_usage("--dtype: ", dtype, " was given; training computes in f32");
    for (auto [flag, value] : {std::pair{"--length", length}, std::pair{"--batch", batch}, std::pair{"--steps", steps}})
      if (value < 1 || value > 65536) fail_usage(flag, ": ", value, " was given; from 1 to 65536 was expected");
    if (threads < 0 || threads > 1024) fail_usage("--threads: ", threads, " was given; from 0 to 1024 was expected");
    if (threads > 0) at::set_num_threads(static_cast<int>(threads));
    train::ModelOptions options;
    options.model = model, options.attention = variant, options.strength = strength;
    if (strength) model::validate_strength(variant, *strength, "--strength");
    auto config = train::resolve_model(options, model::BertConfig().vocab_size, 0, length);
    model::Bert net(config, 1);
    net->train();
    train::OptimizerOptions optimizer_options;
    optimizer_options.clip = 0;
    train::AdamW optimizer(train::parameters_of(*net), optimizer_options);
    const std::vector<data::MaskedBatch> batches = {random_batch(config.vocab_size)};
    double best = 0;
    for (int64_t step = 0; step <= steps; ++step) {  // the first one warms up
      auto start = std::chrono::steady_clock::now();
      train::train_step(net, optimizer, batches, 1e-4, 1, step);
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (step > 0) best = std::max(best, static_cast<double>(batch * length) / seconds);
    }
    struct rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const std::string kernel = attention::last_kernel();
    const double step_ms = 1e3 * static_cast<double>(batch * length) / best;
    char line[160];
    std::snprintf(line, sizeof line, "%s, %s attention (%s), %lld×%lld: %.0f tokens/s, %.1f ms a step, peak %ld MB",
                  model.c_str(), io::enum_name(variant).c_str(), kernel.c_str(), static_cast<long long>(batch),
                  static_cast<long long>(length), best, step_ms, usage.ru_maxrss / 1024);
    console.line(line);
    console.result({{"model", model},
                    {"attention", io::enum_name(variant)},
                    {"length", length},
                    {"batch", batch},
                    {"dtype", dtype},
                    {"threads", at::get_num_threads()},
                    {"tokens_per_s", best},
                    {"step_ms", step_ms},
                    {"parameters", config.parameters()},
                    {"peak_rss_mb", usage.ru_maxrss / 1024},
                    {"kernel", kernel}});
  }
};

}  // namespace

void add_bench_train(CLI::App& bench) {
  auto state = std::make_shared<BenchTrain>();
  auto* command = bench.add_subcommand("train", "Time the trainer's own step (forward, backward, AdamW) on random ids");
  command->add_option("--model", state->model, "bert-mini, bert-small, bert-medium, or a config.json")
      ->capture_default_str();
  FieldsToFlags flags{*command};
  flags("attention", state->variant, "original, high, low or elemmul");
  flags("strength", state->strength, "λ; by default as in pretrain");
  flags("length", state->length, "tokens a row");
  flags("batch", state->batch, "rows a step");
  flags("dtype", state->dtype, "f32");
  flags("threads", state->threads, "threads; 0: one a core");
  flags("steps", state->steps, "timed steps, of which the best counts");
  state->console.add_flag(*command);
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli
