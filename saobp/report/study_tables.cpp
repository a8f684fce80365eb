#include "saobp/report/study_tables.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "saobp/io/error.h"
#include "saobp/io/words.h"
#include "saobp/report/correlation_table.h"
#include "saobp/report/html.h"
#include "saobp/report/table.h"

namespace saobp::report {
namespace {

// A number of a row; null is none.
double value_of(const io::Json& row, const char* key, const std::string& source) {
  const auto found = io::require<io::Json>(row, key, source);
  return found.is_null() ? NAN : io::convert<double>(found, concat(source, ": \"", key, '"'));
}

std::string what_if_table(const io::Json& rows, const std::string& source) {
  struct Column {
    const char *key, *heading;
    int digits;
  };
  constexpr Column kColumns[] = {{"loss", "loss", 3},
                                 {"divergence", "KL", 4},
                                 {"states_cosine", "cosine", 3},
                                 {"pooled_cosine", "pooled", 3},
                                 {"attention_entropy", "entropy", 3},
                                 {"sink_rate", "sink rate", 3},
                                 {"top_key_share", "top key", 3},
                                 {"gtd", "GTD", 3}};
  Table table{.title = "What refinement at inference would change", .columns = {{"attention", false}}};
  for (const auto& column : kColumns) table.columns.push_back({column.heading});
  for (const auto& row : io::convert<std::vector<io::Json>>(rows, source)) {
    auto label = io::require<std::string>(row, "attention", source);
    if (const double strength = value_of(row, "strength", source); strength > 0) label += " " + io::in_short(strength);
    if (table.rows.empty()) label = concat("as it is (", io::require<std::string>(row, "attention", source), ")");
    auto& cells = table.rows.emplace_back(Row{{label}}).cells;
    for (const auto& column : kColumns) {
      const double value = value_of(row, column.key, source);
      cells.push_back(std::isnan(value) ? "–" : fixed(value, column.digits));
    }
  }
  table.note =
      "The first line is the model as it is. KL: of its predictions from the refined ones, nats; cosine: between a "
      "token's states in both, pooled: between their means. This tells how much a model leans on what refinement takes "
      "away or adds, not that it would be better: it was trained as the first line has it.";
  return "\n" + table_text(table);
}

struct Effect {
  int64_t layer, head;
  double value, error;
};

std::string importance_table(const io::Json& json, const std::string& source) {
  std::string out = "\nWhat becomes of the answers when a head looks at the same keys whatever the query\n";
  const bool has_loss = !io::require<io::Json>(json, "loss", source).is_null();
  const char* key = has_loss ? "loss" : "states_cosine";
  for (const char* by : {"uniform", "mean"}) {
    const auto part = io::require<io::Json>(json, by, source);
    const auto values = io::require<std::vector<std::vector<io::Json>>>(part, key, source);
    const auto errors = io::require<std::vector<std::vector<io::Json>>>(
        io::require<io::Json>(part, "standard_errors", source), key, source);
    std::vector<Effect> effects;
    for (size_t layer = 0; layer < values.size(); ++layer)
      for (size_t head = 0; head < values[layer].size(); ++head) {
        const auto number = [&](const auto& from) {
          const bool there = layer < from.size() && head < from[layer].size() && from[layer][head].is_number();
          return there ? from[layer][head].template get<double>() : NAN;
        };
        effects.push_back({static_cast<int64_t>(layer), static_cast<int64_t>(head), number(values), number(errors)});
      }
    std::stable_sort(effects.begin(), effects.end(), [&](const Effect& a, const Effect& b) {
      return has_loss ? a.value > b.value : a.value < b.value;
    });
    out += concat(std::string(by) == "uniform" ? "all keys alike:  " : "its mean row:    ");
    for (size_t i = 0; i < std::min<size_t>(5, effects.size()); ++i)
      out += concat(i > 0 ? ", " : "", effects[i].layer, ".", effects[i].head, " ",
                    has_loss && effects[i].value > 0 ? "+" : "", fixed(effects[i].value, 3), " ± ",
                    fixed(effects[i].error, 3));
    out += "\n";
  }
  return out +
         (has_loss
              ? concat("The five heads (layer.head) whose loss of ", fixed(value_of(json, "loss", source), 3),
                       " nats rises most; ± is the standard error.\n")
              : "The five heads (layer.head) that change the last layer's states most: cosine to what they were.\n");
}

}  // namespace

std::string study_tables(const io::Json& analysis, const std::string& source) {
  std::string out;
  if (analysis.contains("what_if")) out += what_if_table(analysis.at("what_if"), source + ": \"what_if\"");
  if (analysis.contains("importance")) out += importance_table(analysis.at("importance"), source + ": \"importance\"");
  if (analysis.contains("correlations"))
    for (const auto& table : correlation_tables(analysis.at("correlations"), "", source + ": \"correlations\""))
      out += "\n" + table_text(table);
  return out;
}

}  // namespace saobp::report
