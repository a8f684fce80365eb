// Table 9 of [SAOBP]: what each attention costs, in training and in inference, beside the paper's figures.
#include <array>
#include <cstdio>
#include <iterator>

#include "saobp/cli/bench_model.h"
#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/flags.h"

namespace saobp::cli {
namespace {

using attention::Variant;

constexpr std::array kVariants = {Variant::original, Variant::high, Variant::low, Variant::elemmul};

struct Figures {
  double train_ms, tokens_per_s, train_gflops, infer_ms, samples_per_s, infer_gflops;
};

struct PaperModel {
  const char* name;
  Figures variants[std::size(kVariants)];
};

// Lee et al. 2025, Table 9, on a GPU.
constexpr PaperModel kPaper[] = {{"bert-mini",
                                  {{28.03, 4567.34, 1.41, 7.4, 4353.7, 0.40},
                                   {37.40, 3422.20, 1.45, 10.4, 3085.8, 0.44},
                                   {48.54, 2637.02, 1.45, 9.8, 3260.0, 0.42},
                                   {52.88, 2420.48, 1.48, 10.8, 2963.2, 0.47}}},
                                 {"bert-small",
                                  {{42.15, 3036.74, 3.65, 8.7, 3679.7, 1.61},
                                   {59.64, 2146.32, 3.72, 14.3, 2241.3, 1.68},
                                   {45.06, 2840.56, 3.72, 14.1, 2272.6, 1.68},
                                   {48.30, 2649.87, 3.78, 11.6, 2752.0, 1.75}}},
                                 {"bert-medium",
                                  {{55.41, 2309.89, 5.26, 17.2, 1859.5, 3.23},
                                   {63.40, 2018.91, 5.40, 24.5, 1308.3, 3.36},
                                   {58.75, 2178.76, 5.40, 24.3, 1314.3, 3.36},
                                   {61.40, 2084.54, 5.53, 23.2, 1376.4, 3.56}}}};

const PaperModel* paper_of(const std::string& model) {
  for (const auto& entry : kPaper)
    if (model == entry.name) return &entry;
  return nullptr;
}

// Multiply-adds, in billions as the paper's "GFLOPs", of one sequence's forward pass: the layers' products with their
// weights and those of attention (S and AV; ElemMul has AᵀV besides), and with `head` the head at every position.
double gflops(const model::ModelConfig& c, int64_t length, Variant variant, bool head) {
  const auto h = static_cast<double>(c.hidden_size), f = static_cast<double>(c.intermediate_size);
  const auto n = static_cast<double>(length), layers = static_cast<double>(c.num_hidden_layers);
  const double products = variant == Variant::elemmul ? 3 : 2;
  double sum = layers * n * (4 * h * h + 2 * h * f + products * n * h);
  if (head) sum += n * h * (static_cast<double>(c.vocab_size) + (c.causal() ? 0 : h));
  return sum / 1e9;
}

io::Json to_json(const Figures& f) {
  return {{"train_ms", f.train_ms}, {"tokens_per_s", f.tokens_per_s},   {"train_gflops", f.train_gflops},
          {"infer_ms", f.infer_ms}, {"samples_per_s", f.samples_per_s}, {"infer_gflops", f.infer_gflops}};
}

struct BenchCost {
  std::vector<std::string> models;
  BenchDtype dtype = BenchDtype::f32;
  int64_t length = 128, train_batch = 1, infer_batch = 32, steps = 20, threads = 0;
  Console console;

  void run() {
    if (models.empty())
      for (const auto& entry : kPaper) models.push_back(entry.name);
    for (const auto& name : models) options_of(name, Variant::original, train_batch).check();
    console.line(concat("ms a step of ", train_batch, "×", length, " tokens in training and ms a batch of ",
                        infer_batch, "×", length, " in inference,\nmedians of ", steps,
                        " each, the variants in turn; × is the ratio to Original.\n"
                        "GFLOPs: 10⁹ multiply-adds of one sequence's forward pass, in training with the head at every "
                        "position.\n"
                        "paper: Lee et al. 2025, Table 9 (on a GPU, 1×128 and 32×128).\n"));
    console.line(
        "                       |           training                |           inference               | paper ×");
    console.line(
        "model        attention |      ms     ×  tokens/s  GFLOPs |      ms     × samples/s  GFLOPs | train infer");
    auto rows = io::Json::array();
    for (const auto& name : models) one_model(name, rows);
    console.result({{"length", length},
                    {"train_batch", train_batch},
                    {"infer_batch", infer_batch},
                    {"dtype", io::enum_name(dtype)},
                    {"threads", at::get_num_threads()},
                    {"steps", steps},
                    {"kernel", attention::last_kernel()},
                    {"rows", rows}});
  }

  BenchModelOptions options_of(const std::string& name, Variant variant, int64_t batch) const {
    BenchModelOptions options;
    options.model = name, options.attention = variant, options.dtype = dtype;
    options.length = length, options.batch = batch, options.threads = threads;
    return options;
  }

  // Seconds of `steps` calls of each variant, in turn, so that all meet the same machine.
  template <class Timed, class Step>
  std::vector<double> medians(std::vector<Timed> timed, const char* doing, Step&& step) {
    std::vector<std::vector<double>> seconds(timed.size());
    for (auto& one : timed) step(one);  // warms up
    for (int64_t i = 0; i < steps; ++i) {
      console.progress(concat(doing, " ", i + 1, "/", steps), false);
      for (size_t v = 0; v < timed.size(); ++v) seconds[v].push_back(step(timed[v]));
    }
    std::vector<double> result;
    result.reserve(seconds.size());
    for (auto& of_variant : seconds) result.push_back(median_of(std::move(of_variant)));
    return result;
  }

  void one_model(const std::string& name, io::Json& rows) {
    const train::World alone;
    std::vector<TimedTraining> trainings;
    trainings.reserve(kVariants.size());
    for (auto variant : kVariants) trainings.emplace_back(options_of(name, variant, train_batch), alone, 1);
    const auto config = trainings.front().config();
    const auto train =
        medians(std::move(trainings), concat(name, " training").c_str(), [](TimedTraining& one) { return one.step(); });
    std::vector<TimedInference> inferences;
    inferences.reserve(kVariants.size());
    for (auto variant : kVariants) inferences.emplace_back(options_of(name, variant, infer_batch));
    const auto infer = medians(std::move(inferences), concat(name, " inference").c_str(),
                               [](TimedInference& one) { return one.pass(); });
    for (size_t v = 0; v < kVariants.size(); ++v) {
      const Figures ours{1e3 * train[v],
                         static_cast<double>(train_batch * length) / train[v],
                         gflops(config, length, kVariants[v], /*head=*/true),
                         1e3 * infer[v],
                         static_cast<double>(infer_batch) / infer[v],
                         gflops(config, length, kVariants[v], /*head=*/false)};
      rows.push_back(row(name, v, ours, train[v] / train[0], infer[v] / infer[0]));
      rows.back()["vocab_size"] = config.vocab_size;
    }
  }

  // Prints the row, too.
  io::Json row(const std::string& name, size_t v, const Figures& ours, double train_ratio, double infer_ratio) {
    const std::string variant = io::enum_name(kVariants[v]);
    char text[200];
    const int written =
        std::snprintf(text, sizeof text, "%-12s %-9s | %7.1f %5.2f %9.0f %7.2f | %7.1f %5.2f %9.1f %7.2f |",
                      name.c_str(), variant.c_str(), ours.train_ms, train_ratio, ours.tokens_per_s, ours.train_gflops,
                      ours.infer_ms, infer_ratio, ours.samples_per_s, ours.infer_gflops);
    io::Json json = {{"model", name}, {"attention", variant}, {"ours", to_json(ours)}};
    json["ratio_to_original"] = {{"train", train_ratio}, {"infer", infer_ratio}};
    if (const auto* paper = paper_of(name)) {
      const auto &theirs = paper->variants[v], &original = paper->variants[0];
      const double train = theirs.train_ms / original.train_ms, infer = theirs.infer_ms / original.infer_ms;
      std::snprintf(text + written, sizeof text - static_cast<size_t>(written), " %5.2f %5.2f", train, infer);
      json["paper"] = to_json(theirs);
      json["paper_ratio_to_original"] = {{"train", train}, {"infer", infer}};
    }
    console.line(text);
    return json;
  }
};

}  // namespace

void add_bench_cost(CLI::App& bench) {
  auto state = std::make_shared<BenchCost>();
  auto* command = bench.add_subcommand(
      "cost",
      "What each attention costs: a training step, a batch of inference and GFLOPs, beside the paper's Table 9");
  command
      ->add_option("--model", state->models, "one of the models of bench train; by default the three BERTs. Repeatable")
      ->allow_extra_args(false)
      ->type_name("TEXT");
  FieldsToFlags flags{*command};
  flags("dtype", state->dtype, "f32 or bf16");
  flags("length", state->length, "tokens a row", io::between(1, 65536));
  flags("train_batch", state->train_batch, "rows a training step", io::between(1, 65536));
  flags("infer_batch", state->infer_batch, "rows a batch of inference", io::between(1, 65536));
  flags("steps", state->steps, "timed steps and batches of each variant", io::between(1, 65536));
  flags("threads", state->threads, "threads; 0: one a core", io::between(0, 1024));
  state->console.add_flag(*command);
  add_example(*command, "Example:\n  saobp bench cost --model bert-mini --steps 5");
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli
