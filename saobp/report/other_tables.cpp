#include "saobp/report/other_tables.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "saobp/io/error.h"
#include "saobp/io/words.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

std::string padded(const std::string& text, size_t width) {
  const auto length = static_cast<size_t>(io::code_points(text));
  return text + std::string(width - std::min(width, length), ' ');
}

std::string cell(double value) {
  const auto text = fixed(value, std::abs(value) < 1000 ? 4 : 0);
  return std::string(12 - std::min<size_t>(12, static_cast<size_t>(io::code_points(text))), ' ') + text;
}

double number(const io::Json& value, const std::string& where) {
  return value.is_null() ? NAN : io::convert<double>(value, where);
}

// Rows of labels and numbers under the names of measures, five at a time.
std::string table(const std::string& title, const std::vector<std::string>& labels,
                  const std::map<std::string, std::vector<double>>& columns) {
  std::string out;
  for (auto at = columns.begin(); at != columns.end();) {
    auto end = at;
    out += "\n" + padded(title, 16);
    for (int i = 0; i < 4 && end != columns.end(); ++i, ++end) out += "  " + padded(end->first, 22);
    out.erase(out.find_last_not_of(' ') + 1);
    out += "\n";
    for (size_t row = 0; row < labels.size(); ++row) {
      out += padded(labels[row], 16);
      for (auto column = at; column != end; ++column)
        out += "  " + padded(row < column->second.size() ? cell(column->second[row]) : "", 22);
      out.erase(out.find_last_not_of(' ') + 1);
      out += "\n";
    }
    at = end;
  }
  return out;
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
      places.push_back(places.empty() ? "the embeddings" : concat("behind layer ", places.size() - 1));
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
