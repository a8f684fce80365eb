#include "saobp/model/overflow.h"

#include "saobp/io/error.h"

namespace saobp::model {
namespace {

bool is_finite(const torch::Tensor& tensor) { return tensor.isfinite().all().item<bool>(); }

}  // namespace

std::string first_not_finite(BackboneImpl& model, const Inputs& inputs) {
  torch::NoGradGuard no_grad;
  const bool was_training = model.is_training();
  model.eval();
  std::string place;
  model.watch = [&](const std::string& what, const torch::Tensor& values) {
    if (place.empty() && !is_finite(values)) place = what;
  };
  const auto hidden = model.hidden_states(inputs);
  model.watch = {};
  model.train(was_training);
  if (place.empty()) place = is_finite(hidden) ? "the head" : "the last norm";
  return place;
}

void require_finite(const torch::Tensor& result, BackboneImpl& model, const Inputs& inputs, const std::string& source) {
  if (is_finite(result)) return;
  fail(source, ": values that are not finite begin in ", first_not_finite(model, inputs),
       ", although every weight is finite: they overflow there (layers count from 0)");
}

}  // namespace saobp::model
