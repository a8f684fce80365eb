#include "saobp/train/gradient_reducer.h"

#include <torch/csrc/autograd/utils/lambda_post_hook.h>

#include "saobp/io/error.h"

namespace saobp::train {

GradientReducer::GradientReducer(const World& world, const std::vector<torch::Tensor>& parameters, int64_t bucket_bytes)
    : world_(world) {
  if (world.size() == 1) return;
  for (auto parameter = parameters.rbegin(); parameter != parameters.rend(); ++parameter) {
    if (!parameter->requires_grad()) continue;
    if (!parameter->is_contiguous()) fail("data-parallel training: a parameter of ", parameter->sizes(), " has gaps");
    parameters_.push_back({*parameter});
  }
  fill_buckets(bucket_bytes);
  add_hooks();
}

GradientReducer::~GradientReducer() {
  for (auto& parameter : parameters_) parameter.accumulator->del_post_hook(parameter.hook);
}

// Neighbours of one type and device share a bucket until it is full; what is larger than that has its own.
void GradientReducer::fill_buckets(int64_t bucket_bytes) {
  for (size_t first = 0, end = 0; first < parameters_.size(); first = end) {
    const auto options = parameters_[first].tensor.options().requires_grad(false);
    std::vector<int64_t> offsets = {0};
    for (; end < parameters_.size(); ++end) {
      const auto& tensor = parameters_[end].tensor;
      const int64_t numel = offsets.back() + tensor.numel();
      const bool alike = tensor.dtype() == options.dtype() && tensor.device() == options.device();
      if (end > first && (!alike || numel * static_cast<int64_t>(tensor.element_size()) > bucket_bytes)) break;
      offsets.push_back(numel);
    }
    auto flat = torch::zeros({offsets.back()}, options);
    for (size_t i = first; i < end; ++i) {
      auto& parameter = parameters_[i];
      const auto& like = parameter.tensor;
      // Not a view to autograd, which would not let an optimiser detach_() it.
      parameter.place =
          torch::empty({0}, options).set_(flat.storage(), offsets[i - first], like.sizes(), like.strides());
      parameter.bucket = buckets_.size();
    }
    buckets_.push_back({flat});
  }
}

// A hook runs when the gradient of a pass has been added to what the parameter had. The backward runs on one thread for
// each device, and all parameters are on one, so that hooks never meet.
void GradientReducer::add_hooks() {
  for (auto& parameter : parameters_) {
    parameter.accumulator = torch::autograd::impl::grad_accumulator(parameter.tensor);
    parameter.hook = parameter.accumulator->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(
        [this, &parameter](const torch::autograd::variable_list& outputs, const torch::autograd::variable_list&) {
          if (last_pass_) mark_ready(parameter);
          return outputs;
        }));
  }
}

void GradientReducer::backward(const torch::Tensor& loss, bool last_pass) {
  if (!last_pass || parameters_.empty()) return loss.backward();
  start_pass();
  try {
    loss.backward();
    finish();
  } catch (...) {
    last_pass_ = false;
    throw;
  }
}

void GradientReducer::start_pass() {
  for (auto& bucket : buckets_) bucket = {bucket.flat};
  for (auto& parameter : parameters_) {
    parameter.ready = false;
    ++buckets_[parameter.bucket].missing;
  }
  started_ = 0;
  last_pass_ = true;
}

void GradientReducer::mark_ready(Parameter& parameter) {
  torch::NoGradGuard no_grad;
  auto& gradient = parameter.tensor.mutable_grad();
  if (!gradient.defined()) {
    parameter.place.zero_();
  } else if (gradient.is_sparse() ||
             gradient.data_ptr() != parameter.place.data_ptr()) {  // else it was accumulated in its place
    parameter.place.copy_(gradient.is_sparse() ? gradient.to_dense() : gradient);
  }
  gradient = parameter.place;
  parameter.ready = true;
  --buckets_[parameter.bucket].missing;
  for (; started_ < buckets_.size() && buckets_[started_].missing == 0; ++started_)
    buckets_[started_].wait = world_.start_sum(buckets_[started_].flat);
}

void GradientReducer::finish() {
  for (auto& parameter : parameters_)
    if (!parameter.ready) mark_ready(parameter);
  for (auto& bucket : buckets_) bucket.wait();
  last_pass_ = false;
}

}  // namespace saobp::train
