// A self-contained HTML page about one or several runs, made from their run folders alone.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "saobp/report/run.h"

namespace saobp::report {

// One file without external resources: settings, loss curves, entropy and GTD layer by layer, final figures. What a run
// folder does not hold reads "not recorded"; nothing is made up for it. Throws UsageError when `runs` is empty.
std::string render_comparison_page(const std::vector<RunInput>& runs, const std::string& title);

// Reads the run folders and writes the page (aside first, then renamed).
void write_report(const std::vector<std::filesystem::path>& runs, const std::filesystem::path& output,
                  const std::string& title);

}  // namespace saobp::report
