#include "saobp/analysis/analyze.h"

#include "saobp/analysis/accumulator.h"
#include "saobp/data/text_file.h"
#include "saobp/io/file.h"

namespace saobp::analysis {

std::vector<std::string> read_sequences(const std::filesystem::path& path, int64_t limit) {
  std::string text = io::read_file(path);
  data::require_text(text, path.string());
  std::vector<std::string> lines;
  // Documents that end at blank lines hold every line that counts; their line ends are made LF on the way.
  std::string buffer;
  data::split_documents(text, data::DocumentEnd::blank, [&](std::string_view document) {
    auto clean = data::with_line_feeds(document, buffer);
    for (size_t begin = 0; begin <= clean.size();) {
      size_t end = std::min(clean.find('\n', begin), clean.size());
      if (limit == 0 || lines.size() < static_cast<size_t>(limit)) lines.emplace_back(clean.substr(begin, end - begin));
      begin = end + 1;
    }
  });
  if (lines.empty()) fail(path.string(), ": has no line with anything but white space");
  return lines;
}

void capture_attention(const model::LanguageModel& model, const std::vector<int64_t>& ids, const MatrixSink& sink) {
  torch::NoGradGuard no_grad;
  const bool was_training = model->is_training();
  model->eval();
  auto probe = [&](int64_t layer, const torch::Tensor& query, const torch::Tensor& key,
                   const attention::AttentionOptions& options) {
    // In float64, so that the figures are those of the weights and not of rounding.
    auto [a, b] = attention::attention_matrices(query.to(torch::kFloat64), key.to(torch::kFloat64), options);
    const bool refined = options.elemmul || options.strengths || options.strength != 0;
    sink(layer, a[0], refined ? b[0] : a[0]);
  };
  model->hidden_states(torch::tensor(ids).unsqueeze(0), {}, probe);
  model->train(was_training);
}

io::Json analyze(const model::LanguageModel& model, const std::vector<std::vector<int64_t>>& sequences,
                 const MetricOptions& options, const std::string& model_name, const std::string& text_name,
                 const std::function<void(size_t)>& done) {
  MetricAccumulator accumulator(model->config.num_hidden_layers, model->config.num_attention_heads, options);
  for (size_t i = 0; i < sequences.size(); ++i) {
    capture_attention(model, sequences[i], [&](int64_t layer, const torch::Tensor& a, const torch::Tensor& b) {
      accumulator.add(layer, a, b);
    });
    accumulator.count_sequence(static_cast<int64_t>(sequences[i].size()));
    if (done) done(i + 1);
  }
  return accumulator.to_json(model_name, text_name);
}

}  // namespace saobp::analysis
