#include "saobp/report/checkpoints_table.h"

#include <cmath>
#include <cstdlib>

#include "saobp/io/words.h"
#include "saobp/report/analysis_table.h"
#include "saobp/report/correlation_table.h"
#include "saobp/report/html.h"
#include "saobp/report/table.h"

namespace saobp::report {
namespace {

// 250 of …/step-000250; −1 of another name.
int64_t step_of(const std::string& folder) {
  const auto at = folder.rfind("step-");
  return at == std::string::npos ? -1 : std::strtoll(folder.c_str() + at + 5, nullptr, 10);
}

std::string number(double value) { return std::isnan(value) ? "–" : fixed(value, std::abs(value) < 1000 ? 4 : 0); }

}  // namespace

std::string checkpoints_table(const std::vector<io::Json>& jsons, const io::Json& correlations,
                              const std::string& run) {
  std::vector<AnalysisRecord> records;
  records.reserve(jsons.size());
  for (const auto& json : jsons) records.push_back(read_analysis(json, run));
  Table table{.title = concat(run, ": ", io::counted(records.size(), "checkpoint"), " on ", records.front().text, ", ",
                              io::counted(records.front().sequences, "sequence"),
                              "; means over layers and heads of the matrix that layers use\n"),
              .columns = {{"step", false}}};
  const auto columns = shown_measures(records.front());
  for (const auto& column : columns) table.columns.push_back({column.heading});
  for (const auto& record : records) {
    Row row{{std::to_string(step_of(record.model))}};
    for (const auto& column : columns) {
      const Layers& layers = record.refined.of(column.name);
      row.cells.push_back(layers.empty() ? "–" : number(mean(layers)));
    }
    table.rows.push_back(std::move(row));
  }
  std::string out = table_text(table);
  if (correlations.empty())
    return out +
           "\nNo correlation: of three of these steps at least a validation loss in metrics.jsonl, or a number in "
           "--scores, was expected.\n";
  for (const auto& each : correlation_tables(correlations, "checkpoints", run)) out += "\n" + table_text(each);
  return out;
}

}  // namespace saobp::report
