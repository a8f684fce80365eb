#include "saobp/report/other_tables.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "saobp/io/error.h"
#include "saobp/io/words.h"
#include "saobp/report/html.h"
#include "saobp/report/table.h"

namespace saobp::report {
namespace {

double number(const io::Json& value, const std::string& where) {
  return value.is_null() ? NAN : io::convert<double>(value, where);
}

// Rows of labels and numbers under the names of measures.
std::string table(const std::string& title, const std::vector<std::string>& labels,
                  const std::map<std::string, std::vector<double>>& columns) {
  if (columns.empty()) return "";
  Table out{.columns = {{title, false}}};
  for (const auto& [name, values] : columns) out.columns.push_back({name});
  for (size_t row = 0; row < labels.size(); ++row) {
    auto& cells = out.rows.emplace_back(Row{{labels[row]}}).cells;
    for (const auto& [name, values] : columns) {
      const double value = row < values.size() ? values[row] : NAN;
      cells.push_back(std::isnan(value) ? "–" : fixed(value, std::abs(value) < 1000 ? 4 : 0));
    }
  }
  return "\n" + table_text(out);
}

}  // namespace

std::string other_tables(const io::Json& analysis, TableDetail detail, const std::string& source) {
  const auto settings = io::require<io::Json>(analysis, "settings", source);
  if (io::get_or<std::string>(settings, "measures", "", source).empty()) return "";
  std::map<std::string, std::vector<double>> states, weights;
  std::vector<std::string> places, heads;
  const auto of_states = io::get_or<io::Json>(analysis, "states", io::Json::object(), source);
  for (const auto& [name, values] : of_states.items()) {
    const auto where = source + ": \"states\"";
    for (const auto& value : io::convert<std::vector<io::Json>>(values, where))
      states[name].push_back(number(value, where));
    while (places.size() < states[name].size())
      places.push_back(places.empty() ? "the embeddings" : concat("after layer ", places.size() - 1));
  }
  const auto of_weights = io::get_or<io::Json>(analysis, "weights", io::Json::object(), source);
  for (const auto& [name, layers] : of_weights.items()) {
    const auto where = source + ": \"weights\"";
    std::vector<std::string> labels;
    for (const auto& layer : io::convert<std::vector<std::vector<double>>>(layers, where)) {
      labels.push_back(
          concat("layer ", std::count_if(labels.begin(), labels.end(), [](const auto& l) { return l[0] == 'l'; })));
      weights[name].push_back(mean(layer));
      for (size_t head = 0; head < layer.size() && detail == TableDetail::heads; ++head) {
        labels.push_back(concat("  head ", head));
        weights[name].push_back(layer[head]);
      }
    }
    if (labels.size() > heads.size()) heads = labels;
  }
  return table("hidden states", places, states) + table("weights", heads, weights);
}

}  // namespace saobp::report
