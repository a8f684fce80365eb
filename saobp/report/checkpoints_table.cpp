#include "saobp/report/checkpoints_table.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "saobp/io/words.h"
#include "saobp/report/analysis_table.h"
#include "saobp/report/html.h"
#include "saobp/report/run.h"
#include "saobp/scores/correlation.h"

namespace saobp::report {
namespace {

// 250 of …/step-000250; −1 of another name.
int64_t step_of(const std::string& folder) {
  const auto at = folder.rfind("step-");
  return at == std::string::npos ? -1 : std::strtoll(folder.c_str() + at + 5, nullptr, 10);
}

std::string cell(const std::string& text) {
  return std::string(10 - std::min<size_t>(10, static_cast<size_t>(io::code_points(text))), ' ') + text;
}

std::string number(double value) { return cell(fixed(value, std::abs(value) < 1000 ? 4 : 0)); }

}  // namespace

std::string checkpoints_table(const std::vector<io::Json>& jsons, const std::string& run) {
  std::vector<AnalysisRecord> records;
  records.reserve(jsons.size());
  for (const auto& json : jsons) records.push_back(read_analysis(json, run));
  std::map<int64_t, double> losses;
  for (const auto& point : read_run(run).validation_loss) losses[point.step] = point.value;
  const auto columns = shown_measures(records.front());

  std::string out = concat(run, ": ", io::counted(records.size(), "checkpoint"), " on ", records.front().text, ", ",
                           io::counted(records.front().sequences, "sequence"),
                           "; means over layers and heads of the matrix that layers use\n\nstep        ");
  for (const auto& column : columns) out += cell(column.heading);
  out += cell("val. loss") + "\n";
  std::vector<std::vector<double>> values(columns.size());
  std::vector<double> known;
  for (const auto& record : records) {
    const auto step = step_of(record.model);
    auto label = std::to_string(step);
    label.resize(12, ' ');
    out += label;
    for (size_t i = 0; i < columns.size(); ++i) {
      const Layers& layers = record.refined.of(columns[i].name);
      values[i].push_back(layers.empty() ? NAN : mean(layers));
      out += number(values[i].back());
    }
    const auto loss = losses.find(step);
    known.push_back(loss == losses.end() ? NAN : loss->second);
    out += number(known.back()) + "\n";
  }
  const auto with_loss = std::count_if(known.begin(), known.end(), [](double loss) { return !std::isnan(loss); });
  if (with_loss < 3)
    return out + concat("\nNo correlation with the validation loss: ", with_loss, " of these steps ",
                        with_loss == 1 ? "has" : "have", " one in metrics.jsonl, and three at least were expected.\n");
  std::vector<scores::Correlation> pearson, spearman;
  std::vector<double> p;
  for (const auto& series : values) {
    pearson.push_back(scores::pearson_test(series, known));
    spearman.push_back(scores::spearman_test(series, known));
    p.push_back(pearson.back().p);
  }
  const auto corrected = scores::adjusted_p(p);
  out += concat("\nCorrelation with the validation loss over ", with_loss,
                " checkpoints\nmeasure             Pearson's r    95 % interval  Spearman's ρ         p corrected p\n");
  for (size_t i = 0; i < columns.size(); ++i) {
    auto name = columns[i].name;
    name.resize(std::max<size_t>(name.size(), 20), ' ');
    const auto interval = concat("[", fixed(pearson[i].low, 2), ", ", fixed(pearson[i].high, 2), "]");
    out += concat(name, " ", cell(fixed(pearson[i].r, 3)), std::string(17 - std::min<size_t>(17, interval.size()), ' '),
                  interval, "    ", cell(fixed(spearman[i].r, 3)), cell(fixed(p[i], 4)), "  ",
                  cell(fixed(corrected[i], 4)), "\n");
  }
  return out + concat("p is corrected for ", columns.size(),
                      " measures (Benjamini–Hochberg). Checkpoints of one run follow one another: what rises with\n"
                      "training correlates with whatever else does.\n");
}

}  // namespace saobp::report
