// AdamW (Loshchilov & Hutter 2019) with a linear warm-up and a cosine, over ATen's fused CPU kernel; of a table with a
// sparse gradient (float, of two dimensions) row by row: adamw_rows.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "saobp/model/libtorch.h"
#include "saobp/model/weights.h"
#include "saobp/train/optimizer_options.h"

namespace saobp::train {

// The rate for the step-th update (from 1) of `steps`: linear from learning_rate / warm-up to learning_rate, then half
// a cosine that would be 0 at update steps + 1, so that the last one still counts.
double learning_rate(const OptimizerOptions& options, int64_t step, int64_t steps);

// The module's parameters that learn, under their names, each once.
model::TensorList parameters_of(const torch::nn::Module& module);

class AdamW {
 public:
  // Vectors (biases, LayerNorm, strengths) are not decayed, matrices are; strengths have a rate of their own. The
  // tensors must have requires_grad.
  AdamW(const model::TensorList& parameters, const OptimizerOptions& options);

  // One update from the tensors' gradients, scaled down to `clip` where their norm exceeds it; the gradients are
  // dropped afterwards. Returns the norm before clipping, or NaN or infinity, in which case nothing was changed.
  double update(double learning_rate);

  // Moments under "exp_avg.NAME" and "exp_avg_sq.NAME", and the number of updates as "updates".
  model::TensorList state() const;
  // Error naming `source` and the tensor when one is missing or of another shape.
  void load_state(const model::TensorList& state, const std::string& source);

 private:
  struct Group {
    double weight_decay = 0;
    double rate = 1;  // what the learning rate is multiplied with
    std::vector<std::string> names;
    std::vector<torch::Tensor> parameters, exp_avgs, exp_avg_sqs, updates;
    std::vector<torch::Tensor> moving;  // of a table's rows, those with moments; undefined where it is not known
  };
  // Gradients are divided by `divisor`.
  void update_group(Group& group, const std::vector<torch::Tensor>& gradients, double learning_rate,
                    double divisor) const;
  void update_rows(Group& group, size_t i, const torch::Tensor& gradient, double learning_rate, double divisor) const;

  OptimizerOptions options_;
  std::vector<Group> groups_;
};

}  // namespace saobp::train
