#include "saobp/report/analysis_record.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "saobp/io/error.h"
#include "saobp/io/words.h"

namespace saobp::report {
namespace {

Layers read_layers(const io::Json& matrix, const char* measure, const std::string& source) {
  const auto layers = io::get_or<Layers>(matrix, measure, {}, source);
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    if (layers[layer].empty()) fail(source, ": \"", measure, "\" has a layer without heads");
    if (layers[layer].size() != layers[0].size())
      fail(source, ": \"", measure, "\" has ", io::counted(layers[layer].size(), "head"), " in layer ", layer, " and ",
           layers[0].size(), " in layer 0");
    for (double value : layers[layer])
      if (!std::isfinite(value)) fail(source, ": \"", measure, "\" holds ", value, "; finite numbers were expected");
  }
  return layers;
}

// "high attention, λ = 0.2", or with λ of each layer, and of each head in brackets, where they differ.
std::string attention_of(const io::Json& json, const std::string& source) {
  if (!json.contains("refined_attention")) return "";
  const auto name = io::require<std::string>(json.at("refined_attention"), "attention", source);
  if (!json.contains("strengths")) return name + " attention";
  std::vector<std::string> layers;
  for (const auto& layer : json.at("strengths")) {
    if (!layer.is_array()) {
      layers.push_back(io::in_short(layer.get<double>()));
      continue;
    }
    double sum = 0;
    std::string heads;
    for (double strength : layer) sum += strength, heads += (heads.empty() ? "" : " ") + io::in_short(strength);
    layers.push_back(concat(io::in_short(sum / static_cast<double>(layer.size())), " (", heads, ")"));
  }
  const bool same = std::all_of(layers.begin(), layers.end(), [&](const auto& each) { return each == layers[0]; });
  return concat(name, " attention, λ = ",
                same ? layers[0] + " in every layer"
                     : io::listed(layers, "and") + " in layers 0 to " + std::to_string(layers.size() - 1));
}

void require_one_size(const AnalysisRecord& record) {
  const Layers& first = record.measured();
  for (const auto& measure : measures())
    for (const auto* matrix : {&record.raw, &record.refined}) {
      const Layers &layers = matrix->*measure.layers, &of_raw = record.raw.*measure.layers;
      if (layers.empty() && of_raw.empty()) continue;
      const size_t heads = layers.empty() ? 0 : layers[0].size();
      if (layers.size() != first.size() || heads != first[0].size())
        fail(record.source, ": \"", measure.name, "\" of ", matrix == &record.raw ? "A" : "B", " has ",
             io::counted(layers.size(), "layer"), " of ", io::counted(heads, "head"), "; ", first.size(), " of ",
             first[0].size(), " were expected");
    }
}

}  // namespace

double mean(const std::vector<double>& heads) {
  return static_cast<double>(std::accumulate(heads.begin(), heads.end(), 0.0L) /
                             static_cast<long double>(heads.size()));
}

double mean(const Layers& layers) {
  long double sum = 0;
  for (const auto& heads : layers) sum += mean(heads);
  return static_cast<double>(sum / static_cast<long double>(layers.size()));
}

const std::vector<Measure>& measures() {
  static const std::vector<Measure> all = {{"attention_entropy", "entropy", &MatrixMeasures::attention_entropy},
                                           {"gtd", "GTD", &MatrixMeasures::gtd},
                                           {"indirect_entropy", "indirect", &MatrixMeasures::indirect_entropy},
                                           {"sparsity", "sparsity", &MatrixMeasures::sparsity}};
  return all;
}

const Layers& AnalysisRecord::measured() const {
  for (const auto& measure : measures())
    if (!(raw.*measure.layers).empty()) return raw.*measure.layers;
  fail(source, ": no known measure in \"matrices\"");
}

bool AnalysisRecord::is_unrefined() const {
  return std::all_of(measures().begin(), measures().end(),
                     [&](const auto& measure) { return raw.*measure.layers == refined.*measure.layers; });
}

MatrixMeasures read_matrix(const io::Json& json, const char* key, const char* which, const std::string& source) {
  const auto matrix =
      io::require<io::Json>(io::require<io::Json>(json, key, source), which, concat(source, ": \"", key, '"'));
  MatrixMeasures found;
  for (const auto& measure : measures()) found.*measure.layers = read_layers(matrix, measure.name, source);
  return found;
}

AnalysisRecord read_analysis(const io::Json& json, const std::string& source) {
  AnalysisRecord out;
  out.source = source;
  out.name = std::filesystem::path(source).stem().string();
  out.model = io::get_or<std::string>(json, "model", "", source);
  out.text = io::require<std::string>(json, "text", source);
  out.attention = attention_of(json, source);
  out.sequences = io::require<int64_t>(json, "sequences", source);
  out.tokens = io::require<int64_t>(json, "tokens", source);
  out.cut_sequences = io::get_or<int64_t>(json, "cut_sequences", 0, source);
  out.settings = io::require<io::Json>(json, "settings", source);
  const auto settings = source + ": \"settings\"";
  out.gtd_discount = io::require<double>(out.settings, "gtd_discount", settings);
  if (!(out.gtd_discount > 0 && out.gtd_discount <= 1))
    fail(source, ": \"gtd_discount\" is ", out.gtd_discount, "; a number above 0 and at most 1 was expected");
  out.gtd_hops = io::require<int64_t>(out.settings, "gtd_hops", settings);
  if (out.gtd_hops < 2 || out.gtd_hops > 1000)
    fail(source, ": \"gtd_hops\" is ", out.gtd_hops, "; 2 or more was expected");
  // From the settings, so that an analysis without the figure is readable too.
  double power = 1, weight = 0;
  for (int64_t t = 2; t <= out.gtd_hops; ++t) weight += power *= out.gtd_discount;
  out.idempotent_gtd = weight * weight / (1 + weight * weight);
  out.raw = read_matrix(json, "matrices", "A", source);
  out.refined = read_matrix(json, "matrices", "B", source);
  require_one_size(out);
  return out;
}

}  // namespace saobp::report
