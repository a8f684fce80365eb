#include "saobp/report/analysis_table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <vector>

#include "saobp/io/words.h"

namespace saobp::report {

std::vector<Measure> shown_measures(const AnalysisRecord& record) {
  static const std::vector<std::string> kFirst = {"attention_entropy", "gtd", "indirect_entropy", "sparsity",
                                                  "top_key_share"};
  if (!io::get_or<std::string>(record.settings, "measures", "", record.source).empty()) return record.measures;
  std::vector<Measure> columns;
  for (const auto& measure : record.measures)
    if (std::find(kFirst.begin(), kFirst.end(), measure.name) != kFirst.end()) columns.push_back(measure);
  return columns;
}

namespace {

constexpr size_t kColumns = 5;  // of A and of B side by side, in 120 characters

// Calls show(columns) for as many as fit at a time.
template <class Show>
void in_blocks(const std::vector<Measure>& columns, size_t most, Show&& show) {
  for (size_t first = 0; first < columns.size(); first += most)
    show(std::vector<Measure>(columns.begin() + static_cast<ptrdiff_t>(first),
                              columns.begin() + static_cast<ptrdiff_t>(std::min(columns.size(), first + most))));
}

// Terminal columns, not bytes: the only multi-byte characters here stand in headings and labels.
size_t width_of(const std::string& text) { return static_cast<size_t>(io::code_points(text)); }

constexpr size_t kLabelWidth = 12, kCellWidth = 10;

std::string cell(std::optional<double> value) {
  if (!value || std::isnan(*value)) return io::padded("–", kCellWidth, true);
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, std::abs(*value) < 1000 ? "%.4f" : "%.3e", *value);
  return io::padded(buffer, kCellWidth, true);
}

// Comparisons have three cells a metric and one digit less, to fit 120 columns.
constexpr size_t kNarrowWidth = 8;

std::string narrow_cell(std::optional<double> value, bool sign = false) {
  if (!value || std::isnan(*value)) return io::padded("–", kNarrowWidth, true);
  char buffer[40];
  // A difference that rounds to zero carries no sign.
  const double shown = sign && std::abs(*value) < 0.0005 ? 0.0 : *value;
  std::snprintf(buffer, sizeof buffer, sign && shown != 0 ? "%+.3f" : "%.3f", shown);
  return io::padded(buffer, kNarrowWidth, true);
}

std::string without_trailing_blanks(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string plain(double value) { return concat(value); }

// What each column means, with the setting that goes into it.
std::string footnotes(const AnalysisRecord& analysis, const std::vector<Measure>& columns) {
  const auto setting = [&](const char* name) {
    return plain(io::require<double>(analysis.settings, name, analysis.source + ": \"settings\""));
  };
  char line[16];
  std::snprintf(line, sizeof line, "%.3f", analysis.idempotent_gtd);
  size_t width = 0;
  for (const auto& column : columns) width = std::max(width, width_of(column.heading));
  std::string out;
  for (const auto& column : columns) {
    out += io::padded(column.heading, width, false) + "  " + column.definition;
    if (column.name == "sparsity") out += " of " + setting("sparsity_threshold");
    if (column.name == "sink_rate") out += " of " + setting("sink_threshold");
    if (!column.unit.empty()) out += ", " + column.unit;
    out += "\n";
    if (column.name != "gtd") continue;
    const std::string indent(width + 2, ' ');
    out += indent + "(β = " + setting("gtd_discount") + ", K = " + setting("gtd_hops") + "); " + line +
           " is the value of every idempotent matrix: all rows on one key, each token\n" + indent +
           "on itself, uniform rows. Read it together with entropy\n";
  }
  return out;
}

std::string sizes(const AnalysisRecord& analysis) {
  std::string cut;
  if (analysis.cut_sequences > 0)
    cut = concat(" (", analysis.cut_sequences, " of them cut at ",
                 io::require<int64_t>(analysis.settings, "length", analysis.source + ": \"settings\""), " tokens)");
  if (analysis.long_sequences > 0)
    cut += concat(" (", analysis.long_sequences, " of them longer than ",
                  io::require<int64_t>(analysis.settings, "dense_length", analysis.source + ": \"settings\""),
                  ": of these only entropy, shares of tokens and, from random vectors, GTD)");
  return concat(io::counted(analysis.sequences, "sequence"), cut, ", ", io::counted(analysis.tokens, "token"), "; ",
                io::counted(analysis.layers, "layer"), " of ", io::counted(analysis.heads, "head"));
}

// Behind `indent`, where there is something to say.
std::string refinement(const AnalysisRecord& analysis, const std::string& indent) {
  std::string line = analysis.attention;
  if (analysis.is_unrefined()) {
    const bool refined = !line.empty() && !line.starts_with("original");  // and only the same measures were taken
    line += concat(line.empty() ? "" : "; ", refined ? "of what was measured B is A" : "nothing is refined: B is A");
  }
  return line.empty() ? "" : indent + line + "\n";
}

}  // namespace

std::string metrics_table(const io::Json& json, TableDetail detail, const std::string& source) {
  const AnalysisRecord analysis = read_analysis(json, source);
  const auto columns = shown_measures(analysis);
  const bool named = !io::get_or<std::string>(analysis.settings, "measures", "", source).empty();
  const std::string undefined = analysis.undefined.empty() || !named
                                    ? ""
                                    : concat("\nDefined nowhere here: ", io::listed(analysis.undefined, "and"), "\n");
  const MatrixMeasures* both[] = {&analysis.raw, &analysis.refined};
  const int matrices = analysis.is_unrefined() ? 1 : 2;
  std::string out = analysis.model + " on " + analysis.text + "\n" + sizes(analysis) + "\n" + refinement(analysis, "");
  in_blocks(columns, matrices == 1 ? 2 * kColumns : kColumns, [&](const std::vector<Measure>& block) {
    const auto cells = [&](const auto& cell_of) {
      std::string text;
      for (int which = 0; which < matrices; ++which) {
        if (which > 0) text += "   ";
        for (const auto& column : block) text += cell_of(column, *both[which]);
      }
      return text;
    };
    const auto line = [&](const std::string& label, const auto& value_of) {
      out += io::padded(label, kLabelWidth, false) + cells([&](const Measure& column, const MatrixMeasures& matrix) {
               const Layers& layers = matrix.of(column.name);
               return cell(layers.empty() ? std::optional<double>() : value_of(layers));
             }) +
             "\n";
    };
    out += "\n";
    if (matrices == 2) {
      const size_t width = kCellWidth * block.size();
      out += without_trailing_blanks(io::padded("", kLabelWidth, false) +
                                     io::padded("  A: before refinement", width, false) + "   " +
                                     io::padded("  B: after refinement", width, false));
    }
    out += io::padded("layer", kLabelWidth, false) + cells([&](const Measure& column, const MatrixMeasures&) {
             return io::padded(column.heading, kCellWidth, true);
           }) +
           "\n";
    for (size_t layer = 0; layer < analysis.layers; ++layer) {
      line(concat(layer), [&](const Layers& layers) { return mean(layers[layer]); });
      for (size_t head = 0; head < analysis.heads && detail == TableDetail::heads; ++head)
        line(concat("  head ", head), [&](const Layers& layers) {
          return head < layers[layer].size() ? std::optional(layers[layer][head]) : std::nullopt;
        });
    }
    line("mean", [](const Layers& layers) { return mean(layers); });
  });
  if (columns.empty()) return out + undefined;
  out +=
      "\nLayers and heads count from 0; a layer's value is the mean over its heads.\n" + footnotes(analysis, columns);
  return out + undefined;
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
std::optional<double> whole_value(const Layers& layers, size_t, size_t) {
  return layers.empty() ? std::nullopt : std::optional(mean(layers));
}

// One matrix of two analyses: first, second and difference for each of these measures.
std::string compare_matrix(const AnalysisRecord& first, const AnalysisRecord& second,
                           MatrixMeasures AnalysisRecord::* which, const std::vector<Measure>& shared,
                           TableDetail detail) {
  std::string names = io::padded("", kLabelWidth, false), heading = io::padded("layer", kLabelWidth, false);
  for (const auto& measure : shared) {
    names += io::padded("  " + io::padded(measure.heading, kNarrowWidth, true), 3 * kNarrowWidth + 2, false);
    heading += "  ";
    for (const char* part : {"(1)", "(2)", "(2)−(1)"}) heading += io::padded(part, kNarrowWidth, true);
  }
  std::string out = without_trailing_blanks(names) + heading + "\n";
  const auto line = [&](const std::string& label, ValueOf value_of, size_t layer, size_t head) {
    out += io::padded(label, kLabelWidth, false);
    for (const auto& measure : shared) {
      const auto left = value_of((first.*which).of(measure.name), layer, head);
      const auto right = value_of((second.*which).of(measure.name), layer, head);
      std::optional<double> difference;
      if (left && right) difference = *right - *left;
      out += "  " + narrow_cell(left) + narrow_cell(right) + narrow_cell(difference, true);
    }
    out += "\n";
  };
  const size_t layers = std::max(first.layers, second.layers), heads = std::max(first.heads, second.heads);
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
  std::vector<Measure> shared;
  for (const auto& measure : shown_measures(first))
    if (!second.raw.of(measure.name).empty()) shared.push_back(measure);
  in_blocks(shared, 4, [&](const std::vector<Measure>& block) {
    out += "\nA: before refinement\n" + compare_matrix(first, second, &AnalysisRecord::raw, block, detail);
    out += "\nB: after refinement (what the layers use)\n" +
           compare_matrix(first, second, &AnalysisRecord::refined, block, detail);
  });
  out += "\nLayers and heads count from 0; a layer's value is the mean over its heads.\n" + footnotes(first, shared);
  return out;
}

}  // namespace saobp::report
