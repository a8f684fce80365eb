#include "saobp/report/correlation_table.h"

#include <algorithm>
#include <cmath>

#include "saobp/io/error.h"
#include "saobp/io/words.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

using io::Json;

double number(const Json& json, const char* key, const std::string& where) {
  const auto value = io::require<Json>(json, key, where);
  return value.is_null() ? NAN : io::convert<double>(value, concat(where, ": \"", key, '"'));
}

std::string written(double value, int digits) { return std::isnan(value) ? "–" : fixed(value, digits); }

std::string small(double p) { return std::isnan(p) ? "–" : p < 0.0001 ? "< 0.0001" : fixed(p, 4); }

}  // namespace

std::string in_words(const scores::Correlation& found) {
  if (found.n < 3 || std::isnan(found.r)) return "r = –";
  return concat("r = ", fixed(found.r, 2), " (95 %: ", fixed(found.low, 2), " to ", fixed(found.high, 2), "), p ",
                found.p < 0.001 ? "< 0.001" : "= " + fixed(found.p, 3));
}

std::vector<Table> correlation_tables(const Json& correlations, const std::string& id, const std::string& source) {
  std::vector<Table> tables;
  for (const auto& list : io::convert<std::vector<Json>>(correlations, source)) {
    const auto over = io::require<std::string>(list, "over", source),
               with = io::require<std::string>(list, "with", source);
    const auto measures = io::require<Json>(list, "measures", source);
    if (!measures.is_object()) fail(source, ": \"measures\" is ", io::type_name(measures), "; an object was expected");
    Table table{
        .id = concat("correlation-", id, "-", over, "-", with),
        .title = concat("What goes with ", with, ", over ", over),
        .columns = {
            {"measure", false}, {"Pearson's r"}, {"95 % interval"}, {"Spearman's ρ"}, {"p"}, {"corrected p"}, {"n"}}};
    std::vector<std::pair<double, Row>> rows;
    int64_t most = 0;
    for (const auto& [name, tests] : measures.items()) {
      const auto where = concat(source, ": \"", name, '"');
      const auto pearson = io::require<Json>(tests, "pearson", where),
                 spearman = io::require<Json>(tests, "spearman", where);
      const double r = number(pearson, "r", where);
      most = std::max(most, io::require<int64_t>(tests, "n", where));
      const double low = number(pearson, "low", where), high = number(pearson, "high", where);
      rows.emplace_back(
          std::isnan(r) ? -1 : std::abs(r),
          Row{{name, written(r, 3), std::isnan(low) ? "–" : concat("[", fixed(low, 2), ", ", fixed(high, 2), "]"),
               written(number(spearman, "r", where), 3), small(number(pearson, "p", where)),
               small(number(pearson, "corrected_p", where)), std::to_string(io::require<int64_t>(tests, "n", where))}});
    }
    std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (auto& row : rows) table.rows.push_back(std::move(row.second));
    table.note = concat(
        "p is of Pearson's r, two-sided; corrected for ", io::get_or<size_t>(list, "tests", rows.size(), source),
        " measures of all that was asked (Benjamini–Hochberg). ",
        over != "checkpoints" && most < 3 ? "Fewer than three have numbers, which is too few for a correlation. " : "",
        over == "heads"         ? "Heads of one model are no independent draws."
        : over == "checkpoints" ? "Checkpoints of one run follow one another: what rises with training correlates with "
                                  "whatever else does."
                                : "Means over heads and layers of each sequence.",
        list.contains("examples") ? concat(" The sequences are parts of ",
                                           io::counted(io::require<int64_t>(list, "examples", source), "example"),
                                           ", and those of one example are no independent draws: p is too small.")
                                  : "");
    tables.push_back(std::move(table));
  }
  return tables;
}

}  // namespace saobp::report
