#include "saobp/cli/bench_model.h"

#include <algorithm>
#include <chrono>

#include "saobp/cli/flags.h"
#include "saobp/data/random.h"
#include "saobp/recipes/language_model.h"

namespace saobp::cli {
namespace {

// With the model's own vocabulary, that of the published models for those of a name.
model::ModelConfig config_of(const BenchModelOptions& options) {
  recipes::ModelOptions model;
  model.model = options.model, model.attention = options.attention, model.strength = options.strength;
  const auto sizes = model::named_config(options.model);
  return recipes::resolve_model(model, {.size = sizes.vocab_size, .pad = sizes.pad_token_id}, options.length);
}

// Random ids; of a BERT's 15 % are predicted, of a GPT-2's each one's successor: the work that real text makes.
data::Batch random_batch(const BenchModelOptions& options, const model::ModelConfig& config, int64_t rank = 0) {
  data::Batch batch;
  batch.rows = options.batch, batch.length = options.length;
  data::Random random(1, data::Purpose::masks, static_cast<uint64_t>(rank));
  const auto draw = [&] { return static_cast<int64_t>(random.below(static_cast<uint64_t>(config.vocab_size))); };
  for (int64_t i = 0; i < options.batch * options.length; ++i) {
    batch.input_ids.push_back(draw());
    if (!config.causal() && random.uniform() >= 0.15) continue;
    batch.positions.push_back(i);
    batch.targets.push_back(draw());
  }
  if (batch.positions.empty()) batch.positions = {0}, batch.targets = {0};
  batch.attention_mask.assign(batch.input_ids.size(), 1);
  return batch;
}

template <class Work>
double seconds_of(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

void BenchModelOptions::add_flags(CLI::App& command, const char* dtypes) {
  FieldsToFlags flags{command};
  flags("model", model,
        "bert-mini, bert-small, bert-medium, gpt2-mini, gpt2-small, gpt2-medium, or a config.json or a folder with "
        "one, with the vocabulary that it names");
  flags("attention", attention, "which attention");
  flags("strength", strength, "λ; by default as in pretrain", io::between(0, 20));
  flags("length", length, "tokens a row", io::between(1, 65536));
  flags("batch", batch, "rows a pass", io::between(1, 65536));
  flags("dtype", dtype, dtypes);
  flags("threads", threads, "threads; 0: one a core", io::between(0, 1024));
}

void BenchModelOptions::check() const {
  if (strength) model::check_strength(attention, *strength, "--strength");
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
}

TimedTraining::TimedTraining(const BenchModelOptions& options, const train::World& world, int64_t bucket_mb) {
  const auto config = config_of(options);
  model_ = model::make_model(config, 1);
  recipes::set_dtype(model_, options.dtype == BenchDtype::bf16 ? recipes::Dtype::bf16 : recipes::Dtype::f32);
  model_->train();
  train::OptimizerOptions optimizer;
  optimizer.clip = 0;
  const auto parameters = train::parameters_of(*model_);
  optimizer_.emplace(parameters, optimizer);
  reducer_ = std::make_unique<train::GradientReducer>(world, model::tensors_of(parameters), bucket_mb << 20);
  batches_ = {random_batch(options, config, world.rank())};
}

double TimedTraining::step() {
  reducer_->world().barrier();
  return seconds_of([&] { recipes::train_step(model_, *optimizer_, batches_, 1e-4, 1, step_++, *reducer_); });
}

TimedInference::TimedInference(const BenchModelOptions& options) {
  const auto config = config_of(options);
  model_ = model::make_model(config, 1, /*head=*/std::nullopt);
  recipes::set_dtype(model_, options.dtype == BenchDtype::bf16 ? recipes::Dtype::bf16 : recipes::Dtype::f32);
  model_->eval();
  input_ids_ = torch::tensor(random_batch(options, config).input_ids).reshape({options.batch, options.length});
}

double TimedInference::pass() {
  const torch::NoGradGuard no_grad;
  return seconds_of([&] { model_->hidden_states(input_ids_); });
}

std::string described(const BenchModelOptions& options, const model::ModelConfig& config) {
  return concat(options.model, " with ", io::counted(config.vocab_size, "token"));
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace saobp::cli
