#include "saobp/recipes/analyze.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "saobp/analysis/values.h"
#include "saobp/io/error.h"
#include "saobp/recipes/evaluation.h"

namespace saobp::recipes {
namespace {

// Means over heads, layer by layer, of what is defined; six digits.
io::Json by_layer(const std::map<std::string, analysis::Layers>& measures) {
  auto json = io::Json::object();
  for (const auto& [name, layers] : measures)
    for (const auto& heads : layers) {
      const double mean = analysis::mean_of_defined(heads);
      json[name].push_back(std::isnan(mean) ? io::Json() : io::Json(std::round(mean * 1e6) / 1e6));
    }
  return json;
}

}  // namespace

std::filesystem::path predictions_of(const std::filesystem::path& run, const AnalysisSource& source) {
  auto name = source.name();
  std::replace(name.begin(), name.end(), ' ', '-');
  const auto path = run / "eval" / (name + kPredictions);
  return std::filesystem::exists(path) ? path : std::filesystem::path();
}

int64_t common_length(const std::vector<AnalyzedModel>& models, const AnalysisSource& source,
                      const AnalyzeOptions& options) {
  int64_t least = 1, most = std::numeric_limits<int64_t>::max(), trained = most;
  std::string tables;
  for (const auto& [name, opened] : models) {
    const auto& config = opened.model->config;
    least = std::max<int64_t>(least, config.causal() ? 1 : 3);
    most = std::min(most, config.max_length()), trained = std::min(trained, config.trained_length());
    tables += concat(tables.empty() ? "" : ", ", "the position table of ", name, " ends at ", config.max_length());
  }
  const int64_t length =
      options.length == 0 ? std::max(least, std::min(source.usual_length(), trained)) : options.length;
  if (length < least || length > most)
    fail_usage("--length: ", length, " was given; from ", least, " to ", most, models.size() > 1 ? " suits both" : "",
               " was expected: ", tables);
  return length;
}

io::Json analyze_model(const AnalyzedModel& analyzed, const AnalysisSource& source, const AnalyzeOptions& options,
                       int64_t length, const std::function<void(size_t, size_t)>& done,
                       const std::function<void(const io::Json&)>& each) {
  const auto& [name, opened] = analyzed;
  const auto& model = opened.model;
  const auto items = source.items(opened, length, predictions_of(name, source));
  const auto tell = [&](size_t count) {
    if (done) done(count, items.list.size());
  };
  const auto line = [&](size_t i, const analysis::Measured& measured) {
    if (!each) return;
    io::Json json = {{"id", items.ids[i]}, {"tokens", measured.tokens}};
    if (!items.examples.empty() && items.examples[i] != items.ids[i]) json["example"] = items.examples[i];
    for (const auto& [group, value] : items.list[i].groups) json[group] = value;
    json["A"] = by_layer(measured.before);
    json["B"] = by_layer(measured.refined ? measured.after : measured.before);
    each(json);
  };
  auto json = analysis::analyze(model, items.list, options.analysis, name, source.name(), tell, line);
  json["text_key"] = source.key();
  json["cut_sequences"] = items.cut;
  size_t longest = 0;
  for (const auto& item : items.list) longest = std::max(longest, item.tokens.ids.size());
  json["longest_sequence"] = longest;
  if (!items.notes.empty()) json["notes"] = items.notes;
  json["settings"]["length"] = length;
  json["settings"]["limit"] = options.limit;
  if (model->config.trained_positions > 0) json["trained_positions"] = model->config.trained_positions;
  json["refined_attention"] = model::to_json(model->current_config().refined_attention);
  if (attention::has_strength(model->config.refined_attention.attention))
    json["strengths"] = model::to_json(model->strengths());
  return json;
}

}  // namespace saobp::recipes
