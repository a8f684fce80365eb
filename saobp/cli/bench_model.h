// What `bench train`, `bench infer` and `bench cost` time: a model of a named size on random ids.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "saobp/cli/bench_dtype.h"
#include "saobp/data/masking.h"
#include "saobp/model/model.h"
#include "saobp/recipes/options.h"
#include "saobp/train/gradient_reducer.h"
#include "saobp/train/optimizer.h"

namespace saobp::cli {

struct BenchModelOptions {
  std::string model = "bert-mini";
  BenchDtype dtype = BenchDtype::f32;
  attention::Variant attention = attention::Variant::high;
  std::optional<double> strength;
  int64_t length = 128, batch = 16, threads = 0;

  void add_flags(CLI::App& command, const char* dtypes);
  // UsageError naming the flag; then the threads are set.
  void check() const;
};

// One update, as the trainer makes it: forward with dropout 0.1, backward, AdamW; no clipping. Every rank of `world`
// has a batch of its own; they begin together.
class TimedTraining {
 public:
  TimedTraining(const BenchModelOptions& options, const train::World& world, int64_t bucket_mb);
  // Seconds of one update, by this rank's clock.
  double step();
  const model::ModelConfig& config() const { return model_->config; }

 private:
  model::Model model_;
  std::optional<train::AdamW> optimizer_;
  std::unique_ptr<train::GradientReducer> reducer_;
  std::vector<data::Batch> batches_;
  int64_t step_ = 0;
};

// The forward pass to the last hidden states, without dropout and gradients.
class TimedInference {
 public:
  explicit TimedInference(const BenchModelOptions& options);
  // Seconds of one batch.
  double pass();
  const model::ModelConfig& config() const { return model_->config; }

 private:
  model::Model model_;
  torch::Tensor input_ids_;
};

// The model, with the number of words that it was given: "bert-mini with 30522 words".
std::string described(const BenchModelOptions& options, const model::ModelConfig& config);

double median_of(std::vector<double> values);

}  // namespace saobp::cli
