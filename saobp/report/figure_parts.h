// What the charts of the page share: their frame, legends and axes.
#pragma once

#include <string>
#include <vector>

#include "saobp/report/chart.h"

namespace saobp::report {

std::string legend_entry(int run, Series::Look look, const std::string& label);

// Heading, legend, drawing and caption. `legend` is HTML; `caption` is plain text.
std::string figure(const Chart& chart, const std::string& legend, const std::string& caption);

// The values that an axis has to show.
struct Extent {
  double low = 0, high = 0;
  bool empty = true;

  void add(double value);
  // About `count` ticks over a range of `least` or more, so that noise does not fill the chart.
  std::vector<double> ticks(double least, int count) const;
};

// Decimals that tell the ticks apart.
int digits_for(const std::vector<double>& ticks);

}  // namespace saobp::report
