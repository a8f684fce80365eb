#include "saobp/report/analysis_record.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "saobp/io/error.h"
#include "saobp/io/words.h"

namespace saobp::report {
namespace {

// Numbers of layers and heads; null stands for one that is not defined.
Layers read_layers(const io::Json& json, const std::string& measure, const std::string& source) {
  Layers layers;
  const auto where = concat(source, ": \"", measure, '"');
  for (const auto& heads : io::convert<std::vector<io::Json>>(json, where)) {
    auto& layer = layers.emplace_back();
    for (const auto& value : io::convert<std::vector<io::Json>>(heads, where))
      layer.push_back(value.is_null() ? NAN : io::convert<double>(value, where));
  }
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    if (layers[layer].empty()) fail(source, ": \"", measure, "\" has a layer without heads");
    if (layers[layer].size() != layers[0].size())
      fail(source, ": \"", measure, "\" has ", io::counted(layers[layer].size(), "head"), " in layer ", layer, " and ",
           layers[0].size(), " in layer 0");
    for (double value : layers[layer])
      if (std::isinf(value)) fail(source, ": \"", measure, "\" holds ", value, "; finite numbers were expected");
  }
  return layers;
}

// "high attention, λ = 0.2", or with λ of each layer, and of each head in brackets, where they differ.
std::string attention_of(const io::Json& json, const std::string& source) {
  if (!json.contains("refined_attention")) return "";
  const auto name = io::require<std::string>(json.at("refined_attention"), "attention", source);
  if (!json.contains("strengths")) return name + " attention";
  std::vector<std::string> layers;
  const auto where = source + ": \"strengths\"";
  for (const auto& layer : io::require<std::vector<io::Json>>(json, "strengths", source)) {
    if (!layer.is_array()) {
      layers.push_back(io::in_short(io::convert<double>(layer, where)));
      continue;
    }
    const auto of_heads = io::convert<std::vector<double>>(layer, where);
    std::string heads;
    for (double strength : of_heads) heads += (heads.empty() ? "" : " ") + io::in_short(strength);
    layers.push_back(concat(io::in_short(mean(of_heads)), " (", heads, ")"));
  }
  if (layers.empty()) fail(where, " is empty; one for each layer was expected");
  const bool same = std::all_of(layers.begin(), layers.end(), [&](const auto& each) { return each == layers[0]; });
  return concat(name, " attention, λ = ",
                same ? layers[0] + " in every layer"
                     : io::listed(layers, "and") + " in layers 0 to " + std::to_string(layers.size() - 1));
}

// Measures of whole layers have one value each, the others one for each head. Older records do not say how many there
// are.
void require_one_size(AnalysisRecord& record) {
  const bool said = record.layers > 0 && record.heads > 0;
  for (const auto& [letter, matrix] : {std::pair("A", &record.raw), std::pair("B", &record.refined)})
    for (const auto& [name, layers] : matrix->all()) {
      if (record.layers == 0) record.layers = layers.size();
      if (!said) record.heads = std::max(record.heads, layers[0].size());
      if (layers.size() != record.layers || (layers[0].size() != 1 && layers[0].size() != record.heads))
        fail(record.source, ": \"", name, "\" of ", letter, " has ", io::counted(layers.size(), "layer"), " of ",
             io::counted(layers[0].size(), "head"), "; ", record.layers, " of ", record.heads, " were expected");
    }
}

// What older analyses have, which do not describe their measures.
const std::vector<Measure>& first_measures() {
  static const std::vector<Measure> all = {
      {"attention_entropy", "entropy", "nats", "mean row entropy of the matrix"},
      {"gtd", "GTD", "", "global token dependency: the share of two to K hops in all dependency, both by squared norm"},
      {"indirect_entropy", "indirect", "nats", "mean row entropy of the matrix of indirect attention G"},
      {"sparsity", "sparsity", "", "share of the entries below a threshold"}};
  return all;
}

// The numbers of --what-if, each a number or null, so that tables and pages can rely on them.
void check_what_if(const io::Json& json, const std::string& source) {
  for (const auto& row : io::get_or<std::vector<io::Json>>(json, "what_if", {}, source)) {
    const auto where = source + ": \"what_if\"";
    io::require<std::string>(row, "attention", where);
    for (const char* key : {"strength", "loss", "divergence", "states_cosine", "pooled_cosine", "attention_entropy",
                            "sink_rate", "top_key_share", "gtd"})
      if (const auto value = io::require<io::Json>(row, key, where); !value.is_null() && !value.is_number())
        fail(where, ": \"", key, "\" is ", io::type_name(value), "; a number was expected");
  }
}

// Those that one of the matrices has. What is defined nowhere is taken for not there, and named.
void read_measures(const io::Json& json, AnalysisRecord& record) {
  std::vector<Measure> described;
  const auto all = io::get_or<io::Json>(json, "measures", io::Json::object(), record.source);
  for (const auto& [name, text] : all.items()) {
    const auto where = concat(record.source, ": \"measures\": \"", name, '"');
    described.push_back({name, io::require<std::string>(text, "heading", where),
                         io::require<std::string>(text, "unit", where),
                         io::require<std::string>(text, "definition", where)});
  }
  for (const auto& measure : described.empty() ? first_measures() : described)
    if (!record.raw.of(measure.name).empty() || !record.refined.of(measure.name).empty())
      record.measures.push_back(measure);
    else if (const auto& of_a = json.at("matrices").at("A"); of_a.contains(measure.name))
      record.undefined.push_back(measure.name);
}

bool is_defined_somewhere(const Layers& layers) {
  return std::any_of(layers.begin(), layers.end(), [](const auto& heads) { return !std::isnan(mean(heads)); });
}

}  // namespace

double mean(const std::vector<double>& heads) {
  long double sum = 0;
  size_t count = 0;
  for (double value : heads)
    if (!std::isnan(value)) sum += value, ++count;
  return count == 0 ? NAN : static_cast<double>(sum / static_cast<long double>(count));
}

double mean(const Layers& layers) {
  std::vector<double> means;
  for (const auto& heads : layers) means.push_back(mean(heads));
  return mean(means);
}

double deviation(const std::vector<double>& values) {
  if (values.size() < 2) return NAN;
  const long double centre = mean(values);
  long double squares = 0;
  for (double value : values) squares += (value - centre) * (value - centre);
  return static_cast<double>(std::sqrt(squares / static_cast<long double>(values.size() - 1)));
}

const Layers& MatrixMeasures::of(const std::string& measure) const {
  static const Layers none;
  const auto found = layers_.find(measure);
  return found == layers_.end() ? none : found->second;
}

void MatrixMeasures::set(const std::string& measure, Layers layers) {
  if (!layers.empty()) layers_[measure] = std::move(layers);
}

bool MatrixMeasures::operator==(const MatrixMeasures& other) const {
  const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  const auto same_layer = [&](const auto& a, const auto& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
  };
  return std::equal(layers_.begin(), layers_.end(), other.layers_.begin(), other.layers_.end(),
                    [&](const auto& a, const auto& b) {
                      return a.first == b.first &&
                             std::equal(a.second.begin(), a.second.end(), b.second.begin(), b.second.end(), same_layer);
                    });
}

bool AnalysisRecord::is_unrefined() const { return raw == refined; }

MatrixMeasures read_matrix(const io::Json& json, const char* key, const char* which, const std::string& source) {
  const auto matrix =
      io::require<io::Json>(io::require<io::Json>(json, key, source), which, concat(source, ": \"", key, '"'));
  MatrixMeasures found;
  if (!matrix.is_object())
    fail(source, ": \"", key, "\": \"", which, "\" is ", io::type_name(matrix), "; an object was expected");
  for (const auto& [name, layers] : matrix.items())
    if (!layers.is_null())
      if (auto read = read_layers(layers, name, source); is_defined_somewhere(read)) found.set(name, std::move(read));
  return found;
}

AnalysisRecord read_analysis(const io::Json& json, const std::string& source) {
  AnalysisRecord out;
  out.source = source;
  out.name = std::filesystem::path(source).stem().string();
  out.model = io::get_or<std::string>(json, "model", "", source);
  out.text = io::require<std::string>(json, "text", source);
  out.text_key = io::get_or<std::string>(json, "text_key", "", source);
  out.attention = attention_of(json, source);
  out.sequences = io::require<int64_t>(json, "sequences", source);
  out.tokens = io::require<int64_t>(json, "tokens", source);
  out.cut_sequences = io::get_or<int64_t>(json, "cut_sequences", 0, source);
  out.long_sequences = io::get_or<int64_t>(json, "long_sequences", 0, source);
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
  out.layers = io::get_or<size_t>(json, "layers", 0, source);
  out.heads = io::get_or<size_t>(json, "heads", 0, source);
  require_one_size(out);
  out.even_share = io::get_or<double>(json, "even_share", NAN, source);
  check_what_if(json, source);
  read_measures(json, out);
  out.json = json;
  return out;
}

}  // namespace saobp::report
