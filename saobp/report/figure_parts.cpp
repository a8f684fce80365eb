#include "saobp/report/figure_parts.h"

#include <algorithm>
#include <cmath>

#include "saobp/report/html.h"

namespace saobp::report {

std::string legend_entry(int run, Series::Look look, const std::string& label) {
  return "<span class='entry'>" + legend_mark(run, look) + escape(label) + "</span>";
}

std::string figure(const Chart& chart, const std::string& legend, const std::string& caption) {
  return "<figure><h3>" + escape(chart.title) + "</h3>\n<div class='legend'>" + legend + "</div>\n" +
         render_chart(chart) + "<figcaption>" + escape(caption) + "</figcaption></figure>\n";
}

void Extent::add(double value) {
  low = empty ? value : std::min(low, value);
  high = empty ? value : std::max(high, value);
  empty = false;
}

std::vector<double> Extent::ticks(double least, int count) const {
  const double more = std::max(0.0, (least - (high - low)) / 2);  // −∞ is no more than 0
  return round_ticks({low - more, high + more}, count);
}

int digits_for(const std::vector<double>& ticks) {
  const double step = ticks[1] / 2 - ticks[0] / 2;
  return static_cast<int>(std::clamp(std::ceil(-std::log10(step) - std::log10(2.0) - 1e-9), 0.0, 4.0));
}

}  // namespace saobp::report
