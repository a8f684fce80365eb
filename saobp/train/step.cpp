#include "saobp/train/step.h"

#include <cmath>

#include "saobp/model/dropout.h"

namespace saobp::train {
namespace {

// The terms of all passes of this rank, by name.
class TermSums {
 public:
  // The loss with the terms of the pass.
  torch::Tensor add(PassLoss pass) {
    for (auto& [name, term] : pass.terms) {
      double& sum = sum_of(name);
      if (!term.defined()) continue;
      sum += term.item<double>();
      pass.loss = pass.loss + term;
    }
    return pass.loss;
  }

  const std::vector<std::pair<std::string, double>>& sums() const { return sums_; }

 private:
  double& sum_of(const std::string& name) {
    for (auto& [known, sum] : sums_)
      if (known == name) return sum;
    return sums_.emplace_back(name, 0.0).second;
  }

  std::vector<std::pair<std::string, double>> sums_;
};

}  // namespace

StepResult train_step(const model::Model& model, AdamW& optimizer, std::span<const Pass> passes, double learning_rate,
                      uint64_t seed, int64_t step) {
  const World alone;
  GradientReducer reducer(alone, {}, 0);
  return train_step(model, optimizer, passes, learning_rate, seed, step, reducer);
}

StepResult train_step(const model::Model& model, AdamW& optimizer, std::span<const Pass> passes, double learning_rate,
                      uint64_t seed, int64_t step, GradientReducer& ranks, const std::function<bool()>& stop) {
  const World& world = ranks.world();
  double count = 0;
  for (const auto& pass : passes) count += pass.count;
  // The ranks exchange numbers while the model works: their counts during the first forward, their losses during the
  // last backward.
  const auto count_of_all = world.start_sum(std::vector{count});
  double scale = 0;
  const auto scale_of_all = [&] {
    if (scale == 0) scale = 1.0 / count_of_all()[0];
    return scale;
  };
  std::function<std::vector<double>()> sums;
  StepResult result;
  TermSums terms;
  std::vector<torch::Tensor> buffers;  // σReparam's u and v, which an abandoned step leaves as they were
  if (passes.size() > 1)
    for (const auto& buffer : model->buffers()) buffers.push_back(buffer.clone());
  model->iterate_sigma();
  for (size_t i = 0; i < passes.size(); ++i) {
    if (i > 0 && world.size() == 1 && stop && stop()) {
      model->zero_grad();
      const auto now = model->buffers();
      for (size_t n = 0; n < now.size(); ++n) now[n].copy_(buffers[n]);
      result.stop = result.abandoned = true;
      return result;
    }
    const auto place = static_cast<uint64_t>(static_cast<int64_t>(i) * world.size() + world.rank());
    model->dropout_seed = model::derive_seed(model::derive_seed(seed, static_cast<uint64_t>(step)), place);
    auto pass = passes[i].run(scale_of_all);
    result.loss += pass.loss.item<double>();
    const auto loss = terms.add(std::move(pass));
    const bool last = i + 1 == passes.size();
    if (last) {
      std::vector<double> own = {result.loss, stop && stop() ? 1.0 : 0.0};
      for (const auto& [name, sum] : terms.sums()) own.push_back(sum);
      sums = world.start_sum(own);
    }
    ranks.backward(loss, last);
  }
  const auto agreed = sums();
  result.loss = agreed[0], result.stop = agreed[1] > 0;
  for (size_t i = 0; i < terms.sums().size(); ++i) result.terms[terms.sums()[i].first] = agreed[2 + i];
  if (!std::isfinite(result.loss)) {
    model->zero_grad();
    return result;
  }
  result.gradient_norm = optimizer.update(learning_rate);
  model->clamp_strengths();
  return result;
}

}  // namespace saobp::train
