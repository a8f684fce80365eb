#include "saobp/report/group_tables.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>

#include "saobp/io/error.h"
#include "saobp/report/analysis_table.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

using io::Json;

struct Kind {
  const char* key;
  const char* title;
  const char* heading;
};
constexpr Kind kKinds[] = {{"by_label", "By label", "label"},
                           {"by_option", "By option", "option"},
                           {"by_answer", "By answer", "answer"},
                           {"by_position", "By the query's place", "places"},
                           {"by_length", "By the sequence's length", "tokens"}};

// "4-7" stands before "16-31", though not in the alphabet.
std::vector<std::string> in_order(const Json& parts) {
  std::vector<std::string> names;
  for (const auto& [name, part] : parts.items()) names.push_back(name);
  const auto number = [](const std::string& name) {
    return name.empty() || !std::isdigit(static_cast<unsigned char>(name[0])) ? -1
                                                                              : std::strtol(name.c_str(), nullptr, 10);
  };
  std::stable_sort(names.begin(), names.end(), [&](const auto& a, const auto& b) { return number(a) < number(b); });
  return names;
}

}  // namespace

std::vector<Table> group_tables(const std::vector<std::pair<std::string, const AnalysisRecord*>>& analyses,
                                const std::string& id) {
  std::vector<Table> tables;
  for (const auto& kind : kKinds) {
    Table table{.id = concat(kind.key, "-", id),
                .title = concat(kind.title, ": means of B over heads and layers"),
                .columns = {{kind.heading, false}, {"sequences"}}};
    std::vector<std::string> measures;
    for (const auto& [name, analysis] : analyses)
      if (analysis->json.contains(kind.key))
        for (const auto& measure : shown_measures(*analysis))
          if (std::find(measures.begin(), measures.end(), measure.name) == measures.end()) {
            measures.push_back(measure.name);
            table.columns.push_back({measure.heading});
          }
    for (const auto& [name, analysis] : analyses) {
      const auto where = concat(analysis->source, ": \"", kind.key, '"');
      const auto parts = io::get_or<Json>(analysis->json, kind.key, Json::object(), analysis->source);
      if (parts.empty()) continue;
      if (!parts.is_object()) fail(where, " is ", io::type_name(parts), "; an object was expected");
      if (analyses.size() > 1) table.rows.push_back({{name}});
      for (const auto& part : in_order(parts)) {
        const auto& found = parts.at(part);
        const auto here = concat(where, ": \"", part, '"');
        const auto b = read_matrix(found, "matrices", "B", here);
        Row row{{part, std::to_string(io::require<int64_t>(found, "sequences", here))}};
        for (const auto& measure : measures) {
          const double value = mean(b.of(measure));
          row.cells.push_back(std::isnan(value) ? "–" : fixed(value, 4));
        }
        table.rows.push_back(std::move(row));
      }
    }
    if (!table.rows.empty()) tables.push_back(std::move(table));
  }
  return tables;
}

}  // namespace saobp::report
