#include "saobp/analysis/analyze.h"

#include "saobp/analysis/accumulator.h"
#include "saobp/io/error.h"
#include "saobp/model/overflow.h"

namespace saobp::analysis {

std::vector<std::string> read_sequences(const data::TextInput& text, int64_t limit) {
  std::vector<std::string> sequences;
  text.each_document([&](std::string_view document) {
    sequences.emplace_back(document);
    return limit == 0 || sequences.size() < static_cast<size_t>(limit);
  });
  if (sequences.empty()) fail(text.name(), ": has no text but white space");
  return sequences;
}

void capture_attention(const model::Model& model, const std::vector<int64_t>& ids, const MatrixSink& sink,
                       const std::string& name) {
  torch::NoGradGuard no_grad;
  const auto input = torch::tensor(ids).unsqueeze(0);
  const bool was_training = model->is_training();
  model->eval();
  auto probe = [&](int64_t layer, const torch::Tensor& query, const torch::Tensor& key,
                   const attention::AttentionOptions& options) {
    // In float64, so that the figures are those of the weights and not of rounding.
    auto [a, b] = attention::attention_matrices(query.to(torch::kFloat64), key.to(torch::kFloat64), options);
    const bool refined = options.elemmul || options.strengths || options.strength != 0;
    model::require_finite(refined ? b : a, *model, input, name);
    sink(layer, a[0], refined ? b[0] : a[0]);
  };
  model->hidden_states(input, probe);
  model->train(was_training);
}

io::Json analyze(const model::Model& model, const std::vector<std::vector<int64_t>>& sequences,
                 const MetricOptions& options, const std::string& model_name, const std::string& text_name,
                 const std::function<void(size_t)>& done) {
  MetricAccumulator accumulator(model->config.num_hidden_layers, model->config.num_attention_heads, options);
  for (size_t i = 0; i < sequences.size(); ++i) {
    capture_attention(
        model, sequences[i],
        [&](int64_t layer, const torch::Tensor& a, const torch::Tensor& b) { accumulator.add(layer, a, b); },
        model_name);
    accumulator.count_sequence(static_cast<int64_t>(sequences[i].size()));
    if (done) done(i + 1);
  }
  return accumulator.to_json(model_name, text_name);
}

}  // namespace saobp::analysis
