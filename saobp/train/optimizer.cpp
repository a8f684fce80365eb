#include "saobp/train/optimizer.h"

#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>

#include <cmath>
#include <map>
#include <numbers>
#include <optional>

#include "saobp/train/adamw_rows.h"

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

namespace {

// The gradient, zeros where there is none; sparse, with each row once, where it may be updated row by row.
torch::Tensor gradient_of(const torch::Tensor& parameter) {
  const auto& gradient = parameter.grad();
  if (!gradient.defined()) return torch::zeros_like(parameter);
  if (!gradient.is_sparse()) return gradient;
  const bool rows = parameter.dim() == 2 && gradient.sparse_dim() == 1 && parameter.scalar_type() == torch::kFloat &&
                    parameter.is_cpu() && parameter.is_contiguous();
  return rows ? gradient.coalesce() : gradient.to_dense();
}

}  // namespace

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
    group.moving.emplace_back();
  }
}

double AdamW::update(double learning_rate) {
  torch::NoGradGuard no_grad;
  std::vector<std::vector<torch::Tensor>> gradients(groups_.size());
  std::vector<torch::Tensor> dense;  // all of them, of a sparse one its values
  for (size_t g = 0; g < groups_.size(); ++g)
    for (const auto& parameter : groups_[g].parameters) {
      gradients[g].push_back(gradient_of(parameter));
      dense.push_back(gradients[g].back().is_sparse() ? gradients[g].back()._values() : gradients[g].back());
    }
  const double norm = torch::stack(at::_foreach_norm(dense, 2)).norm().item<double>();
  if (std::isfinite(norm)) {
    double divisor = 1;                                   // of gradients: clipping without another pass over them
    const double excess = (norm + 1e-6) / options_.clip;  // as torch's clip_grad_norm_ has it
    if (options_.clip > 0 && excess > 1) {
      if (dense.front().scalar_type() == torch::kDouble)
        at::_foreach_mul_(dense, 1 / excess);  // the kernel's divisor is a float
      else
        divisor = excess;
    }
    for (size_t g = 0; g < groups_.size(); ++g) update_group(groups_[g], gradients[g], learning_rate, divisor);
  }
  for (auto& group : groups_)
    for (auto& parameter : group.parameters) parameter.mutable_grad().reset();
  return norm;
}

void AdamW::update_group(Group& group, const std::vector<torch::Tensor>& gradients, double learning_rate,
                         double divisor) const {
  std::vector<torch::Tensor> parameters, dense, exp_avgs, exp_avg_sqs, updates;
  for (size_t i = 0; i < gradients.size(); ++i) {
    group.updates[i] += 1;  // the kernel reads the number of this update
    if (gradients[i].is_sparse()) {
      update_rows(group, i, gradients[i], learning_rate, divisor);
      continue;
    }
    group.moving[i].reset();
    parameters.push_back(group.parameters[i]);
    dense.push_back(gradients[i]);
    exp_avgs.push_back(group.exp_avgs[i]);
    exp_avg_sqs.push_back(group.exp_avg_sqs[i]);
    updates.push_back(group.updates[i]);
  }
  if (parameters.empty()) return;
  std::optional<torch::Tensor> scale;
  if (divisor != 1) scale = torch::tensor(static_cast<float>(divisor));
  at::_fused_adamw_(parameters, dense, exp_avgs, exp_avg_sqs, {}, updates, learning_rate * group.rate, options_.beta1,
                    options_.beta2, group.weight_decay, options_.epsilon, false, false, scale, {});
}

void AdamW::update_rows(Group& group, size_t i, const torch::Tensor& gradient, double learning_rate,
                        double divisor) const {
  auto& moving = group.moving[i];
  if (!moving.defined()) moving = group.exp_avgs[i].ne(0).logical_or_(group.exp_avg_sqs[i].ne(0)).any(1);
  const auto values = gradient._values().contiguous();
  const auto places = torch::arange(values.size(0), torch::kLong);
  const auto gradient_row = torch::full({moving.size(0)}, -1, torch::kLong);
  gradient_row.index_put_({gradient._indices()[0]}, places);
  const double rate = learning_rate * group.rate, t = group.updates[i].item<double>();
  AdamWStep step;
  step.keep = static_cast<float>(1 - rate * group.weight_decay);
  step.gradient_divisor = static_cast<float>(divisor);
  step.beta2 = static_cast<float>(options_.beta2);
  step.one_minus_beta1 = static_cast<float>(1 - options_.beta1);
  step.one_minus_beta2 = static_cast<float>(1 - options_.beta2);
  step.step = static_cast<float>(rate / (1 - std::pow(options_.beta1, t)));
  step.root = static_cast<float>(std::sqrt(1 - std::pow(options_.beta2, t)));
  step.epsilon = static_cast<float>(options_.epsilon);
  adamw_rows(step, moving.size(0), values.size(1), values.const_data_ptr<float>(),
             gradient_row.const_data_ptr<int64_t>(), moving.mutable_data_ptr<bool>(),
             group.parameters[i].mutable_data_ptr<float>(), group.exp_avgs[i].mutable_data_ptr<float>(),
             group.exp_avg_sqs[i].mutable_data_ptr<float>());
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
      group.moving[i].reset();
    }
}

}  // namespace saobp::train
