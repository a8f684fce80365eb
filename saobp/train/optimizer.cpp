#include "saobp/train/optimizer.h"

#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>

#include <cmath>
#include <map>
#include <numbers>

namespace saobp::train {

double learning_rate(const OptimizerOptions& options, int64_t step, int64_t steps) {
  if (step <= options.warmup_steps)
    return options.learning_rate * static_cast<double>(step) / static_cast<double>(options.warmup_steps);
  const double done = static_cast<double>(step - options.warmup_steps) /
                      static_cast<double>(std::max<int64_t>(1, steps - options.warmup_steps + 1));
  const double part = std::min(1.0, done);
  return options.learning_rate *
         (options.schedule == Schedule::linear ? 1.0 - part : 0.5 * (1.0 + std::cos(std::numbers::pi * part)));
}

model::TensorList parameters_of(const torch::nn::Module& module) {
  model::TensorList parameters;
  for (const auto& item : module.named_parameters())
    if (item.value().requires_grad()) parameters.emplace_back(item.key(), item.value());
  return parameters;
}

AdamW::AdamW(const model::TensorList& parameters, const OptimizerOptions& options) : options_(options), groups_(3) {
  groups_[0].weight_decay = options.weight_decay;
  if (options.learning_rate > 0) groups_[2].rate = options.strength_learning_rate / options.learning_rate;
  for (const auto& [name, parameter] : parameters) {
    auto& group = groups_[name.starts_with(model::kStrengthName) ? 2 : parameter.dim() >= 2 ? 0 : 1];
    group.names.push_back(name);
    group.parameters.push_back(parameter);
    group.exp_avgs.push_back(torch::zeros_like(parameter));
    group.exp_avg_sqs.push_back(torch::zeros_like(parameter));
    group.updates.push_back(torch::zeros({}, torch::kFloat32));
  }
}

double AdamW::update(double learning_rate) {
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> all;
  std::vector<std::vector<torch::Tensor>> gradients(groups_.size());
  for (size_t g = 0; g < groups_.size(); ++g)
    for (const auto& parameter : groups_[g].parameters) {
      auto gradient = parameter.grad().defined() ? parameter.grad() : torch::zeros_like(parameter);
      if (gradient.is_sparse()) gradient = gradient.to_dense();  // embeddings whose projection took no part
      gradients[g].push_back(gradient);
      all.push_back(gradient);
    }
  const double norm = torch::stack(at::_foreach_norm(all, 2)).norm().item<double>();
  if (std::isfinite(norm)) {
    // The fused kernel divides gradients by grad_scale: clipping without another pass over them.
    std::optional<torch::Tensor> scale;
    const double excess = (norm + 1e-6) / options_.clip;  // as torch's clip_grad_norm_ has it
    if (options_.clip > 0 && excess > 1) {
      scale = torch::tensor(static_cast<float>(excess));
      if (all.front().scalar_type() == torch::kDouble) {  // it is a float there
        scale.reset();
        at::_foreach_mul_(all, 1 / excess);
      }
    }
    for (size_t g = 0; g < groups_.size(); ++g) {
      auto& group = groups_[g];
      for (auto& count : group.updates) count += 1;  // the kernel reads the number of this update
      if (!group.parameters.empty())
        at::_fused_adamw_(group.parameters, gradients[g], group.exp_avgs, group.exp_avg_sqs, {}, group.updates,
                          learning_rate * group.rate, options_.beta1, options_.beta2, group.weight_decay,
                          options_.epsilon, false, false, scale, {});
    }
  }
  for (auto& group : groups_)
    for (auto& parameter : group.parameters) parameter.mutable_grad().reset();
  return norm;
}

model::TensorList AdamW::state() const {
  model::TensorList list;
  for (const auto& group : groups_)
    for (size_t i = 0; i < group.names.size(); ++i) {
      list.emplace_back("exp_avg." + group.names[i], group.exp_avgs[i]);
      list.emplace_back("exp_avg_sq." + group.names[i], group.exp_avg_sqs[i]);
      if (list.size() == 2) list.emplace_back("updates", group.updates[i]);  // one number, the same for all
    }
  return list;
}

void AdamW::load_state(const model::TensorList& state, const std::string& source) {
  std::map<std::string, torch::Tensor> by_name(state.begin(), state.end());
  auto load = [&](const std::string& name, torch::Tensor& into) {
    auto it = by_name.find(name);
    if (it == by_name.end()) fail(source, ": tensor ", name, " is missing");
    if (it->second.sizes() != into.sizes())
      fail(source, ": tensor ", name, " has shape ", concat(it->second.sizes()), "; ", concat(into.sizes()),
           " was expected");
    into.copy_(it->second);
  };
  for (auto& group : groups_)
    for (size_t i = 0; i < group.names.size(); ++i) {
      load("exp_avg." + group.names[i], group.exp_avgs[i]);
      load("exp_avg_sq." + group.names[i], group.exp_avg_sqs[i]);
      load("updates", group.updates[i]);
    }
}

}  // namespace saobp::train
