#include "saobp/analysis/capture.h"

#include "saobp/model/overflow.h"

namespace saobp::analysis {
namespace {

// A model in evaluation mode and watched, until this goes, by whatever way.
class Watching {
 public:
  Watching(model::ModelImpl& model, std::vector<torch::Tensor>& states)
      : model_(model), was_training_(model.is_training()) {
    model.eval();
    model.watch = [&states](const std::string&, const torch::Tensor& values) { states.push_back(values[0]); };
  }
  ~Watching() {
    model_.watch = {};
    model_.train(was_training_);
  }
  Watching(const Watching&) = delete;
  Watching& operator=(const Watching&) = delete;

 private:
  model::ModelImpl& model_;
  const bool was_training_;
};

}  // namespace

Captured capture(const model::Model& model, const Tokens& tokens, const std::string& name) {
  const torch::NoGradGuard no_grad;
  const auto row = [](const std::vector<int64_t>& values) { return torch::tensor(values).unsqueeze(0); };
  const model::Inputs inputs(row(tokens.ids), {}, tokens.types.empty() ? torch::Tensor() : row(tokens.types));
  Captured captured;
  {
    const Watching watching(*model, captured.states);
    model->hidden_states(inputs, [&](const model::AttentionCall& call) {
      captured.layers.push_back({call.query, call.key, call.value, call.options});
    });
  }
  for (const auto& states : captured.states) model::require_finite(states, *model, inputs, name);
  return captured;
}

Matrices matrices_of(const Captured::Layer& layer) {
  const torch::NoGradGuard no_grad;
  const auto [a, b] = attention::attention_matrices(layer.query, layer.key, layer.options);
  const auto before = a[0];
  return {before, is_refined(layer.options) ? b[0] : before};
}

}  // namespace saobp::analysis
