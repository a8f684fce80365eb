#include "saobp/analysis/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <vector>

#include "saobp/analysis/values.h"
#include "saobp/io/words.h"

namespace saobp::analysis {
namespace {

using Layers = std::vector<std::vector<double>>;  // [layer][head]

// Headings in the order of the columns. Metrics that an analysis does not have are left out of its table.
struct Column {
  const char* metric;
  const char* heading;
};
constexpr Column kColumns[] = {
    {"attention_entropy", "entropy"}, {"gtd", "GTD"}, {"indirect_entropy", "indirect"}, {"sparsity", "sparsity"}};

struct Analysis {
  std::string source, model, text;
  int64_t sequences, tokens, cut;
  std::string attention;  // how it was refined; empty where the analysis does not say
  io::Json settings;
  double idempotent_gtd;
  std::vector<Column> columns;
  std::vector<Layers> matrices[2];  // A and B: one Layers a column
  size_t num_layers() const { return matrices[0].front().size(); }
  bool unrefined() const { return matrices[0] == matrices[1]; }
};

Layers read_layers(const io::Json& matrix, const std::string& metric, const std::string& source) {
  const auto layers = io::require<Layers>(matrix, metric, source);
  if (layers.empty() || layers.front().empty()) fail(source, ": \"", metric, "\" has no layers or no heads");
  for (size_t layer = 0; layer < layers.size(); ++layer)
    if (layers[layer].size() != layers.front().size())
      fail(source, ": \"", metric, "\" has ", layers[layer].size(), " heads in layer ", layer, " and ",
           layers.front().size(), " in layer 0");
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

Analysis read_analysis(const io::Json& json, const std::string& source) {
  Analysis out{source,
               io::require<std::string>(json, "model", source),
               io::require<std::string>(json, "text", source),
               io::require<int64_t>(json, "sequences", source),
               io::require<int64_t>(json, "tokens", source),
               io::get_or<int64_t>(json, "cut_sequences", 0, source),
               attention_of(json, source),
               io::require<io::Json>(json, "settings", source),
               io::require<double>(json, "idempotent_gtd", source),
               {},
               {}};
  const auto matrices = io::require<io::Json>(json, "matrices", source);
  const io::Json both[] = {io::require<io::Json>(matrices, "A", source + ": \"matrices\""),
                           io::require<io::Json>(matrices, "B", source + ": \"matrices\"")};
  for (const Column& column : kColumns) {
    if (!both[0].contains(column.metric)) continue;
    out.columns.push_back(column);
    for (int which = 0; which < 2; ++which)
      out.matrices[which].push_back(read_layers(both[which], column.metric, source));
    for (int which = 0; which < 2; ++which) {
      const Layers &first = out.matrices[0].front(), &here = out.matrices[which].back();
      if (here.size() != first.size() || here.front().size() != first.front().size())
        fail(source, ": \"", column.metric, "\" of ", which == 0 ? "A" : "B", " has ", here.size(), " layers of ",
             here.front().size(), " heads; ", first.size(), " of ", first.front().size(), " were expected");
    }
  }
  if (out.columns.empty()) fail(source, ": no known metric in \"matrices\"");
  return out;
}

double mean_of_layers(const Layers& layers) {
  double sum = 0;
  for (const auto& heads : layers) sum += mean(heads);
  return sum / static_cast<double>(layers.size());
}

// Terminal columns, not bytes: the only multi-byte characters here stand in headings and labels.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, size_t width, bool right) {
  const std::string blanks(width - std::min(width, width_of(text)), ' ');
  return right ? blanks + text : text + blanks;
}

constexpr size_t kLabelWidth = 12, kCellWidth = 10;

std::string cell(std::optional<double> value) {
  if (!value) return padded("–", kCellWidth, true);
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.4f", *value);
  return padded(buffer, kCellWidth, true);
}

// Comparisons have three cells a metric and one digit less, to fit 120 columns.
constexpr size_t kNarrowWidth = 8;

std::string narrow_cell(std::optional<double> value, bool sign = false) {
  if (!value) return padded("–", kNarrowWidth, true);
  char buffer[40];
  // A difference that rounds to zero carries no sign.
  const double shown = sign && std::abs(*value) < 0.0005 ? 0.0 : *value;
  std::snprintf(buffer, sizeof buffer, sign && shown != 0 ? "%+.3f" : "%.3f", shown);
  return padded(buffer, kNarrowWidth, true);
}

std::string without_trailing_blanks(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string plain(double value) { return concat(value); }

std::string footnotes(const Analysis& analysis) {
  const auto setting = [&](const char* name) {
    return plain(io::require<double>(analysis.settings, name, analysis.source + ": \"settings\""));
  };
  char line[16];
  std::snprintf(line, sizeof line, "%.3f", analysis.idempotent_gtd);
  std::string out;
  out += "entropy   mean row entropy of the matrix, nats\n";
  out += "GTD       global token dependency, β = " + setting("gtd_discount") + ", K = " + setting("gtd_hops") + "; " +
         line + " is the value of every idempotent matrix\n";
  out += "          (all rows on one key, each token on itself, uniform rows): read it together with entropy\n";
  out += "indirect  mean row entropy of the matrix of indirect attention G, nats\n";
  out += "sparsity  share of the entries below " + setting("sparsity_threshold") + "\n";
  return out;
}

std::string sizes(const Analysis& analysis) {
  const auto heads = analysis.matrices[0].front().front().size();
  std::string cut;
  if (analysis.cut > 0)
    cut = concat(" (", analysis.cut, " of them cut at ",
                 io::require<int64_t>(analysis.settings, "length", analysis.source + ": \"settings\""), " tokens)");
  return concat(io::counted(analysis.sequences, "sequence"), cut, ", ", io::counted(analysis.tokens, "token"), "; ",
                io::counted(analysis.num_layers(), "layer"), " of ", io::counted(heads, "head"));
}

// Behind `indent`, where there is something to say.
std::string refinement(const Analysis& analysis, const std::string& indent) {
  std::string line = analysis.attention;
  if (analysis.unrefined()) line += line.empty() ? "nothing is refined: B is A" : "; nothing is refined: B is A";
  return line.empty() ? "" : indent + line + "\n";
}

}  // namespace

std::string metrics_table(const io::Json& json, TableDetail detail, const std::string& source) {
  const Analysis analysis = read_analysis(json, source);
  const size_t block = kCellWidth * analysis.columns.size();
  const int matrices = analysis.unrefined() ? 1 : 2;
  std::string out =
      analysis.model + " on " + analysis.text + "\n" + sizes(analysis) + "\n" + refinement(analysis, "") + "\n";
  if (matrices == 2)
    out += without_trailing_blanks(padded("", kLabelWidth, false) + padded("  A: before refinement", block, false) +
                                   "   " + padded("  B: after refinement", block, false));
  std::string heading = padded("layer", kLabelWidth, false);
  for (int which = 0; which < matrices; ++which) {
    if (which > 0) heading += "   ";
    for (const auto& column : analysis.columns) heading += padded(column.heading, kCellWidth, true);
  }
  out += heading + "\n";

  const auto line = [&](const std::string& label, const auto& value_of) {
    std::string text = padded(label, kLabelWidth, false);
    for (int which = 0; which < matrices; ++which) {
      if (which > 0) text += "   ";
      for (const Layers& layers : analysis.matrices[which]) text += cell(value_of(layers));
    }
    out += text + "\n";
  };
  for (size_t layer = 0; layer < analysis.num_layers(); ++layer) {
    line(concat(layer), [&](const Layers& layers) { return mean(layers[layer]); });
    if (detail == TableDetail::heads)
      for (size_t head = 0; head < analysis.matrices[0].front()[layer].size(); ++head)
        line(concat("  head ", head), [&](const Layers& layers) { return layers[layer][head]; });
  }
  line("mean", [](const Layers& layers) { return mean_of_layers(layers); });
  out += "\nLayers and heads count from 0; a layer's value is the mean over its heads.\n" + footnotes(analysis);
  return out;
}

namespace {

using ValueOf = std::optional<double> (*)(const Layers&, size_t layer, size_t head);

std::optional<double> layer_value(const Layers& layers, size_t layer, size_t) {
  if (layer >= layers.size()) return {};
  return mean(layers[layer]);
}
std::optional<double> head_value(const Layers& layers, size_t layer, size_t head) {
  if (layer >= layers.size() || head >= layers[layer].size()) return {};
  return layers[layer][head];
}
std::optional<double> whole_value(const Layers& layers, size_t, size_t) { return mean_of_layers(layers); }

// One matrix of two analyses: first, second and difference for each metric that both have.
std::string compare_matrix(const Analysis& first, const Analysis& second, int which, TableDetail detail) {
  std::vector<std::pair<size_t, size_t>> shared;  // columns of first, of second
  std::string names = padded("", kLabelWidth, false), heading = padded("layer", kLabelWidth, false);
  for (size_t i = 0; i < first.columns.size(); ++i)
    for (size_t j = 0; j < second.columns.size(); ++j)
      if (std::string(first.columns[i].metric) == second.columns[j].metric) {
        shared.emplace_back(i, j);
        names += padded("  " + padded(first.columns[i].heading, kNarrowWidth, true), 3 * kNarrowWidth + 2, false);
        heading += "  ";
        for (const char* part : {"(1)", "(2)", "(2)−(1)"}) heading += padded(part, kNarrowWidth, true);
      }
  std::string out = without_trailing_blanks(names) + heading + "\n";
  const auto line = [&](const std::string& label, ValueOf value_of, size_t layer, size_t head) {
    out += padded(label, kLabelWidth, false);
    for (const auto& [i, j] : shared) {
      const auto left = value_of(first.matrices[which][i], layer, head);
      const auto right = value_of(second.matrices[which][j], layer, head);
      std::optional<double> difference;
      if (left && right) difference = *right - *left;
      out += "  " + narrow_cell(left) + narrow_cell(right) + narrow_cell(difference, true);
    }
    out += "\n";
  };
  const size_t layers = std::max(first.num_layers(), second.num_layers());
  const size_t heads = std::max(first.matrices[0].front().front().size(), second.matrices[0].front().front().size());
  for (size_t layer = 0; layer < layers; ++layer) {
    line(concat(layer), layer_value, layer, 0);
    if (detail == TableDetail::heads)
      for (size_t head = 0; head < heads; ++head) line(concat("  head ", head), head_value, layer, head);
  }
  line("mean", whole_value, 0, 0);
  return out;
}

}  // namespace

std::string comparison_table(const io::Json& first_json, const io::Json& second_json, TableDetail detail,
                             const std::string& first_source, const std::string& second_source) {
  const Analysis first = read_analysis(first_json, first_source), second = read_analysis(second_json, second_source);
  if (first.settings != second.settings)
    fail(second_source, ": measured with the settings ", second.settings.dump(), ", but ", first_source, " with ",
         first.settings.dump(), "; the same were expected");
  std::string out = "(1) " + first.model + " on " + first.text + "\n    " + sizes(first) + "\n" +
                    refinement(first, "    ") + "(2) " + second.model + " on " + second.text + "\n    " +
                    sizes(second) + "\n" + refinement(second, "    ");
  if (first.text != second.text) out += "Mind that the texts differ.\n";
  out += "\nA: before refinement\n" + compare_matrix(first, second, 0, detail);
  out += "\nB: after refinement (what the layers use)\n" + compare_matrix(first, second, 1, detail);
  out += "\nLayers and heads count from 0; a layer's value is the mean over its heads.\n" + footnotes(first);
  return out;
}

}  // namespace saobp::analysis
