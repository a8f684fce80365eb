#include "saobp/report/analysis_table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <vector>

#include "saobp/io/words.h"
#include "saobp/report/analysis_record.h"

namespace saobp::report {
namespace {

// Those measures that the analysis has.
std::vector<Measure> columns_of(const AnalysisRecord& record) {
  std::vector<Measure> columns;
  for (const auto& measure : measures())
    if (!(record.raw.*measure.layers).empty()) columns.push_back(measure);
  return columns;
}

// Terminal columns, not bytes: the only multi-byte characters here stand in headings and labels.
size_t width_of(const std::string& text) { return static_cast<size_t>(io::code_points(text)); }

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

std::string footnotes(const AnalysisRecord& analysis) {
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

std::string sizes(const AnalysisRecord& analysis) {
  const auto heads = analysis.measured().front().size();
  std::string cut;
  if (analysis.cut_sequences > 0)
    cut = concat(" (", analysis.cut_sequences, " of them cut at ",
                 io::require<int64_t>(analysis.settings, "length", analysis.source + ": \"settings\""), " tokens)");
  return concat(io::counted(analysis.sequences, "sequence"), cut, ", ", io::counted(analysis.tokens, "token"), "; ",
                io::counted(analysis.measured().size(), "layer"), " of ", io::counted(heads, "head"));
}

// Behind `indent`, where there is something to say.
std::string refinement(const AnalysisRecord& analysis, const std::string& indent) {
  std::string line = analysis.attention;
  if (analysis.is_unrefined()) line += line.empty() ? "nothing is refined: B is A" : "; nothing is refined: B is A";
  return line.empty() ? "" : indent + line + "\n";
}

}  // namespace

std::string metrics_table(const io::Json& json, TableDetail detail, const std::string& source) {
  const AnalysisRecord analysis = read_analysis(json, source);
  const auto columns = columns_of(analysis);
  const size_t block = kCellWidth * columns.size();
  const MatrixMeasures* both[] = {&analysis.raw, &analysis.refined};
  const int matrices = analysis.is_unrefined() ? 1 : 2;
  std::string out =
      analysis.model + " on " + analysis.text + "\n" + sizes(analysis) + "\n" + refinement(analysis, "") + "\n";
  if (matrices == 2)
    out += without_trailing_blanks(padded("", kLabelWidth, false) + padded("  A: before refinement", block, false) +
                                   "   " + padded("  B: after refinement", block, false));
  std::string heading = padded("layer", kLabelWidth, false);
  for (int which = 0; which < matrices; ++which) {
    if (which > 0) heading += "   ";
    for (const auto& column : columns) heading += padded(column.heading, kCellWidth, true);
  }
  out += heading + "\n";

  const auto line = [&](const std::string& label, const auto& value_of) {
    std::string text = padded(label, kLabelWidth, false);
    for (int which = 0; which < matrices; ++which) {
      if (which > 0) text += "   ";
      for (const auto& column : columns) text += cell(value_of(both[which]->*column.layers));
    }
    out += text + "\n";
  };
  for (size_t layer = 0; layer < analysis.measured().size(); ++layer) {
    line(concat(layer), [&](const Layers& layers) { return mean(layers[layer]); });
    if (detail == TableDetail::heads)
      for (size_t head = 0; head < analysis.measured()[layer].size(); ++head)
        line(concat("  head ", head), [&](const Layers& layers) { return layers[layer][head]; });
  }
  line("mean", [](const Layers& layers) { return mean(layers); });
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
std::optional<double> whole_value(const Layers& layers, size_t, size_t) { return mean(layers); }

// One matrix of two analyses: first, second and difference for each measure that both have.
std::string compare_matrix(const AnalysisRecord& first, const AnalysisRecord& second,
                           MatrixMeasures AnalysisRecord::* which, TableDetail detail) {
  std::vector<Measure> shared;
  std::string names = padded("", kLabelWidth, false), heading = padded("layer", kLabelWidth, false);
  for (const auto& measure : columns_of(first)) {
    if ((second.raw.*measure.layers).empty()) continue;
    shared.push_back(measure);
    names += padded("  " + padded(measure.heading, kNarrowWidth, true), 3 * kNarrowWidth + 2, false);
    heading += "  ";
    for (const char* part : {"(1)", "(2)", "(2)−(1)"}) heading += padded(part, kNarrowWidth, true);
  }
  std::string out = without_trailing_blanks(names) + heading + "\n";
  const auto line = [&](const std::string& label, ValueOf value_of, size_t layer, size_t head) {
    out += padded(label, kLabelWidth, false);
    for (const auto& measure : shared) {
      const auto left = value_of(first.*which.*measure.layers, layer, head);
      const auto right = value_of(second.*which.*measure.layers, layer, head);
      std::optional<double> difference;
      if (left && right) difference = *right - *left;
      out += "  " + narrow_cell(left) + narrow_cell(right) + narrow_cell(difference, true);
    }
    out += "\n";
  };
  const size_t layers = std::max(first.measured().size(), second.measured().size());
  const size_t heads = std::max(first.measured().front().size(), second.measured().front().size());
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
  const AnalysisRecord first = read_analysis(first_json, first_source),
                       second = read_analysis(second_json, second_source);
  if (first.settings != second.settings)
    fail(second_source, ": measured with the settings ", second.settings.dump(), ", but ", first_source, " with ",
         first.settings.dump(), "; the same were expected");
  std::string out = "(1) " + first.model + " on " + first.text + "\n    " + sizes(first) + "\n" +
                    refinement(first, "    ") + "(2) " + second.model + " on " + second.text + "\n    " +
                    sizes(second) + "\n" + refinement(second, "    ");
  if (first.text != second.text) out += "Mind that the texts differ.\n";
  out += "\nA: before refinement\n" + compare_matrix(first, second, &AnalysisRecord::raw, detail);
  out +=
      "\nB: after refinement (what the layers use)\n" + compare_matrix(first, second, &AnalysisRecord::refined, detail);
  out += "\nLayers and heads count from 0; a layer's value is the mean over its heads.\n" + footnotes(first);
  return out;
}

}  // namespace saobp::report
