// The charts of a page in their order: their HTML, and all of them for scripts and for --figures.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "saobp/report/chart.h"

namespace saobp::report {

// Heading, legend, drawing and caption.
std::string figure_html(const Chart& chart);

// A file of its own: drawing, heading and legend on white, with the style in it, and nothing that CSS variables would
// have to resolve.
std::string figure_svg(const Chart& chart);

class Figures {
 public:
  std::string put(Chart chart);  // under an id that no other has
  // Side by side where there is room; empty where there are none.
  std::string put(std::vector<Chart> charts);
  const std::vector<Chart>& all() const { return charts_; }

 private:
  std::vector<Chart> charts_;
  std::set<std::string> ids_;
};

// Writes ID.svg of each chart into the folder, which is made where it does not exist; the paths that were written.
std::vector<std::filesystem::path> write_figures(const std::vector<Chart>& charts, const std::filesystem::path& folder);

}  // namespace saobp::report
