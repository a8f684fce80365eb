#include "saobp/report/tables.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "saobp/io/words.h"
#include "saobp/report/chart.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

using io::Json;
using Layers = std::vector<std::vector<double>>;

const Json* find_in(const Json& json, const std::vector<std::string>& names) {
  if (!json.is_object()) return nullptr;
  for (const auto& name : names)
    if (json.contains(name) && !json.at(name).is_null() && !json.at(name).is_object()) return &json.at(name);
  for (const auto& [key, value] : json.items())
    if (const Json* found = find_in(value, names)) return found;
  return nullptr;
}

std::string head_row(const std::vector<RunInput>& runs, const std::string& first, const char* css) {
  std::string out = "<thead><tr><th scope='col'>" + escape(first) + "</th>";
  for (const auto& run : runs) out += std::string("<th scope='col' class='") + css + "'>" + escape(run.name) + "</th>";
  return out + "</tr></thead>\n";
}

// How a final figure is called and written.
struct FinalFigure {
  const char* key;
  const char* label;
  int digits;   // −1: grouped integer; −2: as short as that, of what is no whole number three digits that count
  bool always;  // a gap is shown as one; other figures appear where some run has them
};
constexpr FinalFigure kFinalFigures[] = {{"parameters", "Parameters", -1, true},
                                         {"step", "Steps", -1, true},
                                         {"tokens", "Tokens trained on", -1, false},
                                         {"loss", "Training loss, nats", 4, true},
                                         {"validation_loss", "Validation loss, nats", 4, true},
                                         {"masked_lm_perplexity", "Masked-LM perplexity", 2, false},
                                         {"perplexity", "Perplexity", 2, false},
                                         {"tokens_per_s", "Tokens per second", -1, true},
                                         {"seconds", "Seconds in all", -1, false},
                                         {"peak_rss_mb", "Peak memory, MB", -1, false},
                                         {"kernel", "Kernel", -1, false}};

std::string written(const Json& value, int digits) {
  if (!value.is_number()) return plain_text(value);
  const double number = value.get<double>();
  if (digits >= 0) return fixed(number, digits);
  if (digits == -2 && number != std::round(number)) return io::in_short(number);
  return std::abs(number) < 9e18 ? grouped(std::llround(number)) : plain_text(value);
}

const Json* final_of(const RunInput& run) {
  if (!run.record.is_object() || !run.record.contains("final") || !run.record.at("final").is_object()) return nullptr;
  return &run.record.at("final");
}

std::optional<std::string> final_value(const RunInput& run, const std::string& key, int digits) {
  const Json* final = final_of(run);
  if (final && final->contains(key) && !final->at(key).is_null()) return written(final->at(key), digits);
  // A run that was stopped has no final figures, but what it logged last was measured.
  if (key == "parameters")
    if (const Json* parameters = find_setting(run, {"parameters"})) return written(*parameters, digits);
  if (key == "step" && !run.train_loss.empty()) return grouped(run.train_loss.back().step);
  if (key == "validation_loss" && !run.validation_loss.empty()) {
    const auto& last = run.validation_loss.back();
    return concat(fixed(last.value, digits), " (step ", grouped(last.step), ")");
  }
  return {};
}

}  // namespace

const Json* find_setting(const RunInput& run, const std::vector<std::string>& names) {
  for (const char* part : {"model", "options"})
    if (run.record.is_object() && run.record.contains(part))
      if (const Json* found = find_in(run.record.at(part), names)) return found;
  return find_in(run.record, names);
}

namespace {

// "λ = 0.21, 0.19 (layers 0 to 1)", of learned or given strengths; where each head has its own, their range too. Empty
// without any.
std::string strengths_of_layers(const Json& strengths) {
  if (!strengths.is_array() || strengths.empty()) return "";
  std::string layers;
  double low = INFINITY, high = -INFINITY;
  bool heads = false;
  for (const auto& layer : strengths) {
    const auto values = layer.is_array() ? layer : Json::array({layer});
    double sum = 0;
    for (const auto& value : values) {
      if (!value.is_number()) return "";
      sum += value.get<double>();
      low = std::min(low, value.get<double>()), high = std::max(high, value.get<double>());
    }
    heads = heads || values.size() > 1;
    layers += (layers.empty() ? "" : ", ") + io::in_short(sum / static_cast<double>(values.size()));
  }
  return concat(
      "λ = ", layers, " (layers 0 to ", strengths.size() - 1,
      heads ? concat("; means over heads, which run from ", io::in_short(low), " to ", io::in_short(high)) : "", ")");
}

}  // namespace

std::string run_cards(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups) {
  std::vector<int> colours(runs.size(), 0);
  for (const auto& group : groups)
    for (const size_t run : group.runs) colours[run] = group.colour;
  std::string out = "<div class='cards'>\n";
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto& run = runs[i];
    const int colour = colours[i];
    const auto text_of = [&](const std::vector<std::string>& names) -> std::optional<std::string> {
      const Json* value = find_setting(run, names);
      return value ? std::optional(plain_text(*value)) : std::nullopt;
    };
    const auto variant = text_of({"variant", "attention"}), strength = text_of({"strength"});
    std::string attention = "Attention: " + (variant ? "<strong>" + escape(*variant) + "</strong>" : kAbsent);
    // Original attention has a strength in its settings too, but does not use it.
    const bool has_strength = variant && *variant != "original" && *variant != "elemmul";
    if (const auto own = strengths_of_layers(run.strengths); has_strength && !own.empty())
      attention += ", " + escape(own);
    else if (has_strength && strength)
      attention += ", λ = " + escape(*strength);
    const auto layers = text_of({"num_hidden_layers", "layers", "n_layer"}),
               hidden = text_of({"hidden_size", "hidden", "n_embd"}),
               heads = text_of({"num_attention_heads", "heads", "n_head"});
    const auto seed = text_of({"seed"}), started = text_of({"started"}), host = text_of({"host"});
    const auto or_absent = [](const std::optional<std::string>& text) { return text ? escape(*text) : kAbsent; };
    out += concat("<section class='card run-", colour % 6, "'><h3 class='run-", colour % 6, "'>",
                  legend_mark(colour, Series::Look::marked), escape(run.name), "</h3>\n<p>", attention, "</p>\n");
    if (layers || hidden || heads)
      out += "<p>" + or_absent(layers) + " layers · " + or_absent(hidden) + " channels · " + or_absent(heads) +
             " heads</p>\n";
    if (const auto parameters = final_value(run, "parameters", -1))
      out += "<p>" + escape(*parameters) + " parameters</p>\n";
    if (run.trains())
      out += "<p class='fine'>Seed " + or_absent(seed) + " · started " + or_absent(started) +
             (host ? " · on " + escape(*host) : "") + "</p>";
    out += "</section>\n";
  }
  return out + "</div>\n";
}

Table final_table(const std::vector<RunInput>& runs, const std::vector<AnalysisGroup>& groups) {
  Table table{.id = "final-figures", .columns = {{"Figure", false}}};
  for (const auto& run : runs) table.columns.push_back({run.name});
  const auto add = [&](const std::string& label, const auto& text_of) {
    Row row{{label}};
    for (size_t i = 0; i < runs.size(); ++i) row.cells.push_back(text_of(i).value_or(""));
    table.rows.push_back(std::move(row));
  };
  std::set<std::string> known;
  for (const auto& figure : kFinalFigures) {
    known.insert(figure.key);
    const auto recorded = [&](const RunInput& run) { return final_value(run, figure.key, figure.digits).has_value(); };
    // Fine-tuning has a score and examples a second in the place of some.
    const bool always =
        figure.always && std::any_of(runs.begin(), runs.end(), [](auto& run) { return run.tasks.empty(); });
    if (!always && std::none_of(runs.begin(), runs.end(), recorded)) continue;
    add(figure.label, [&](size_t i) { return final_value(runs[i], figure.key, figure.digits); });
  }
  // What else the runs recorded, under its own name.
  std::vector<std::string> others;
  for (const auto& run : runs)
    if (const Json* final = final_of(run))
      for (const auto& [key, value] : final->items())
        if (known.insert(key).second && !value.is_structured()) others.push_back(key);
  for (const auto& key : others) add(key, [&](size_t i) { return final_value(runs[i], key, -2); });

  const auto analysis_row = [&](const AnalysisGroup& group, const std::string& label, const char* metric,
                                bool refined) {
    add(label, [&](size_t i) -> std::optional<std::string> {
      const AnalysisRecord* analysis = group.of_run[i];
      if (!analysis) return {};
      const Layers& layers = (refined ? analysis->refined : analysis->raw).of(metric);
      return layers.empty() ? std::nullopt : std::optional(fixed(mean(layers), 4));
    });
  };
  for (const auto& group : groups) {
    // Of many, those that few runs have stand in their own sections alone.
    if (groups.size() > 2 && std::count(group.of_run.begin(), group.of_run.end(), nullptr) > 0) continue;
    const std::string tail = groups.size() > 1 ? " (" + group.name + ")" : "";
    analysis_row(group, "Attention entropy of A, nats" + tail, "attention_entropy", false);
    analysis_row(group, "Attention entropy of B, nats" + tail, "attention_entropy", true);
    analysis_row(group, "GTD of A" + tail, "gtd", false);
    analysis_row(group, "GTD of B" + tail, "gtd", true);
  }
  return table;
}

namespace {

// "0.812", or of several seeds "0.812 ± 0.004"; "–" where there is none.
std::string mean_of_seeds(const std::vector<double>& values) {
  std::vector<double> known;
  for (double value : values)
    if (!std::isnan(value)) known.push_back(value);
  if (known.empty()) return "–";
  const double centre = mean(known);
  if (known.size() == 1) return fixed(centre, 3);
  return fixed(centre, 3) + " ± " + fixed(deviation(known), 3);
}

// Of a group's runs the values of one matrix, of those in which nothing is refined, or of the others.
std::vector<const Layers*> layers_of(const SeedGroup& group, const AnalysisGroup& analyses, const char* measure,
                                     MatrixMeasures AnalysisRecord::* matrix, bool unrefined) {
  std::vector<const Layers*> found;
  for (const size_t run : group.runs)
    if (const auto* analysis = analyses.of_run[run]; analysis && analysis->is_unrefined() == unrefined)
      found.push_back(&(analysis->*matrix).of(measure));
  return found;
}

}  // namespace

Table layer_table(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups,
                  const AnalysisGroup& analyses) {
  struct Metric {
    const char* label;
    const char* values;  // a measure
  };
  constexpr Metric kMetrics[] = {{"Attention entropy, nats", "attention_entropy"},
                                 {"GTD", "gtd"},
                                 {"Indirect entropy, nats", "indirect_entropy"},
                                 {"Sparsity, share of entries", "sparsity"}};
  struct Matrix {
    const char* name;
    MatrixMeasures AnalysisRecord::* matrix;
    bool unrefined;
  };
  constexpr Matrix kMatrices[] = {{"A = B", &AnalysisRecord::refined, true},
                                  {"A", &AnalysisRecord::raw, false},
                                  {"B", &AnalysisRecord::refined, false}};
  size_t layers = 0;
  for (const AnalysisRecord* analysis : analyses.of_run)
    for (const auto& metric : kMetrics)
      if (analysis) layers = std::max(layers, analysis->refined.of(metric.values).size());
  Table table{.id = "layers-" + analyses.name,
              .title = "Means over heads, layer by layer",
              .columns = {{"Run and matrix", false}}};
  if (layers == 0) return table;
  for (size_t layer = 0; layer < layers; ++layer) table.columns.push_back({std::to_string(layer)});
  table.columns.push_back({"mean"});
  for (const auto& metric : kMetrics) {
    if (std::none_of(analyses.of_run.begin(), analyses.of_run.end(), [&](const AnalysisRecord* analysis) {
          return analysis && !analysis->refined.of(metric.values).empty();
        }))
      continue;
    table.rows.push_back({{metric.label}});
    for (const auto& group : groups)
      for (const auto& [name, matrix, unrefined] : kMatrices) {
        const auto found = layers_of(group, analyses, metric.values, matrix, unrefined);
        if (found.empty()) continue;
        const auto& label = group.runs.size() == 1 ? runs[group.runs.front()].name : group.name;
        Row row{{concat(label, ", ", name, found.size() > 1 ? concat(" (", found.size(), " seeds)") : "")}};
        for (size_t layer = 0; layer <= layers; ++layer) {
          std::vector<double> values;
          for (const auto* of : found) {
            if (layer == layers) values.push_back(of->empty() ? NAN : mean(*of));
            if (layer < of->size()) values.push_back(mean((*of)[layer]));
          }
          row.cells.push_back(mean_of_seeds(values));
        }
        table.rows.push_back(std::move(row));
      }
  }
  return table;
}

namespace {

// "options.steps" → value, in the order of the file; what the final table shows is left out.
void flatten(const Json& json, const std::string& prefix, std::vector<std::pair<std::string, std::string>>& out) {
  for (const auto& [key, value] : json.items()) {
    const std::string path = prefix.empty() ? key : prefix + "." + key;
    if (value.is_object() && !value.empty())
      flatten(value, path, out);
    else
      out.emplace_back(path, plain_text(value));
  }
}

}  // namespace

std::string settings_table(const std::vector<RunInput>& runs) {
  std::vector<std::string> paths;
  std::vector<std::vector<std::optional<std::string>>> values;  // [path][run]
  for (size_t i = 0; i < runs.size(); ++i) {
    std::vector<std::pair<std::string, std::string>> flat;
    Json record = runs[i].record;
    if (record.is_object()) record.erase("final");
    if (record.is_object()) flatten(record, "", flat);
    for (const auto& [path, value] : flat) {
      const auto at = static_cast<size_t>(std::find(paths.begin(), paths.end(), path) - paths.begin());
      if (at == paths.size()) {
        paths.push_back(path);
        values.emplace_back(runs.size());
      }
      values[at][i] = value;
    }
  }
  if (paths.empty()) return "<p class='missing'>Settings were not recorded.</p>\n";

  std::string differing, shared;
  for (size_t at = 0; at < paths.size(); ++at) {
    const auto& row = values[at];
    const bool same = std::all_of(row.begin(), row.end(), [&](const auto& value) { return value == row.front(); });
    std::string& out = same ? shared : differing;
    out += "<tr><th scope='row'>" + escape(paths[at]) + "</th>";
    if (same)
      out += concat("<td class='value' colspan='", runs.size(), "'>", escape(*row.front()), "</td>");
    else
      for (const auto& value : row) out += "<td class='value'>" + (value ? escape(*value) : kAbsent) + "</td>";
    out += "</tr>\n";
  }
  const auto table = [&](const std::string& rows) {
    return "<div class='scroll' tabindex='0'><table class='settings'>" + head_row(runs, "Setting", "") + "<tbody>\n" +
           rows + "</tbody></table></div>\n";
  };
  if (runs.size() == 1) return table(shared);
  std::string out;
  if (!differing.empty()) out += "<h3>Different</h3>\n" + table(differing);
  if (!shared.empty()) out += folded("The same in all runs", table(shared));
  return out;
}

}  // namespace saobp::report
