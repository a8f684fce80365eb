// A self-contained HTML page about one or several runs, made from their run folders alone.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "saobp/report/chart.h"
#include "saobp/report/run.h"
#include "saobp/report/table.h"

namespace saobp::report {

struct Report {
  std::string html;  // one file without external resources
  std::vector<Chart> charts;
  std::vector<Table> tables;
  std::vector<std::string> remarks;  // what the page lacks, a sentence each
};

// Settings, training curves, scores, attention and its maps, the paper's tables. What a run folder does not hold reads
// "not recorded"; nothing is made up for it. Throws UsageError when `runs` is empty.
Report make_report(const std::vector<RunInput>& runs, const std::string& title);

struct ReportOutputs {
  std::filesystem::path page;
  std::filesystem::path figures, tables;  // folders; empty: none
};

// Reads the run folders and writes the page (aside first, then renamed), each chart and the maps of the first sequences
// as SVG, and each table as CSV and Markdown. Without a title the page's is made of the runs' names.
struct WrittenReport {
  std::vector<std::filesystem::path> files;
  std::vector<std::string> remarks;  // as Report has them
};
WrittenReport write_report(const std::vector<std::filesystem::path>& runs, const ReportOutputs& outputs,
                           const std::string& title);

}  // namespace saobp::report
