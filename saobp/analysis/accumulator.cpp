#include "saobp/analysis/accumulator.h"

namespace saobp::analysis {

MetricAccumulator::MetricAccumulator(int64_t num_layers, int64_t num_heads, const MetricOptions& options)
    : num_layers_(num_layers), num_heads_(num_heads), options_(options) {
  options_.check();
  if (num_layers < 1 || num_heads < 1)
    fail("analysis of ", num_layers, " layers with ", num_heads, " heads; at least one of both was expected");
  const std::vector<double> heads(num_heads, 0.0);
  raw_.assign(num_layers, std::vector<std::vector<double>>(metric_names().size(), heads));
  refined_ = raw_;
  added_.assign(num_layers, 0);
}

void MetricAccumulator::add_to(Sums& sums, int64_t layer, const MetricValues& values) const {
  for (size_t metric = 0; metric < values.size(); ++metric)
    for (int64_t head = 0; head < num_heads_; ++head) sums[layer][metric][head] += values[metric].second[head];
}

void MetricAccumulator::add(int64_t layer, const at::Tensor& attention, const at::Tensor& refined) {
  if (layer < 0 || layer >= num_layers_)
    fail("analysis: layer ", layer, " was given; the model has layers 0 to ", num_layers_ - 1);
  const auto measure = [&](const at::Tensor& matrices, const char* which) {
    const auto what = concat("attention of layer ", layer, ", matrix ", which);
    const auto values = attention_metrics(matrices, options_, what);
    if (matrices.size(0) != num_heads_)
      fail(what, ": ", io::counted(matrices.size(0), "head"), " were given; the model has ", num_heads_);
    return values;
  };
  // Both are measured before either is added, so that a refused layer leaves nothing behind.
  const MetricValues raw_values = measure(attention, "A");
  const MetricValues refined_values = refined.is_same(attention) ? raw_values : measure(refined, "B");
  add_to(raw_, layer, raw_values);
  add_to(refined_, layer, refined_values);
  ++added_[layer];
}

void MetricAccumulator::count_sequence(int64_t tokens) {
  ++sequences_;
  tokens_ += tokens;
}

io::Json MetricAccumulator::means(const Sums& sums) const {
  io::Json json = io::Json::object();
  for (size_t metric = 0; metric < metric_names().size(); ++metric) {
    auto layers = io::Json::array();
    for (const auto& layer : sums) {
      auto heads = io::Json::array();
      for (double sum : layer[metric]) heads.push_back(sum / static_cast<double>(sequences_));
      layers.push_back(heads);
    }
    json[metric_names()[metric]] = layers;
  }
  return json;
}

io::Json MetricAccumulator::to_json(const std::string& model, const std::string& text) const {
  if (sequences_ == 0) fail("analysis of ", text, ": no sequence was measured");
  for (int64_t layer = 0; layer < num_layers_; ++layer)
    if (added_[layer] != sequences_)
      fail("analysis of ", text, ": layer ", layer, " was measured in ", added_[layer], " of ", sequences_,
           " sequences");
  io::Json json = {{"model", model}, {"text", text}, {"sequences", sequences_}, {"tokens", tokens_}};
  json["settings"] = io::fields_to_json(options_);
  json["idempotent_gtd"] = idempotent_gtd(options_);
  for (const auto& name : metric_names()) json["units"][name] = metric_unit(name);
  json["matrices"]["A"] = means(raw_);
  json["matrices"]["B"] = means(refined_);
  return json;
}

}  // namespace saobp::analysis
