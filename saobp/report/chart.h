// Charts: what they show, and how that is drawn as SVG. Colours come from the page's style sheet: a series of run i has
// the class "run-i", which sets `color`; everything else is drawn in currentColor, so that the page's colour scheme
// reaches the charts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::report {

struct Range {
  double low = 0, high = 1;
};

// About `count` round numbers that cover the range from its outside: the first ≤ low, the last ≥ high (or the largest
// double). Error for a range that is not finite.
std::vector<double> round_ticks(Range range, int count);
// 1, 2 and 5 times powers of ten from its outside, or powers of ten alone over more than three of them. Error where the
// range is not positive.
std::vector<double> log_ticks(Range range);
// What to write beside them: with `digits` decimals or as grouped integers, and in powers of ten where these are very
// large or close together.
std::vector<std::string> tick_labels(const std::vector<double>& ticks, int digits, bool integers);

struct Point {
  double x = 0, y = 0;
  std::string title = "";  // shown on hovering over the mark; empty: none
  double error = 0;        // half an error bar; of a band: half its height
};

struct Series {
  enum class Look {
    line,    // a line
    faint,   // a thin pale line behind the others
    dashed,  // a dashed line
    marked,  // a line with marks
    hollow,  // a dashed line with hollow marks
    dots,    // small pale marks without a line
    points,  // marks without a line
    band,    // the area between y − error and y + error
  };
  std::string title;  // in the legend, for readers of screens and for hovering; empty: in no legend
  int run = 0;        // colour, shape of its marks, and from the seventh run on the rhythm of its lines
  Look look = Look::line;
  std::vector<Point> points;
};

// A horizontal line with a name.
struct Reference {
  double y = 0;
  std::string label;
};

// A figure as data: the page draws it with Plotly or as SVG, and --figures writes it for a paper.
struct Chart {
  std::string id = "";     // unique on the page
  std::string title = "";  // its heading
  std::string x_title = "", y_title = "";
  std::string caption = "";                        // below it, plain text
  double width = 460, height = 300;                // of the drawing, in its own units
  std::vector<double> x_ticks = {}, y_ticks = {};  // the ends are the ends of the axes
  double x_margin = 0;                             // room left and right of the first and last tick, in units of x
  bool integer_x = true, log_x = false;
  bool histograms = false;  // of x above and of y at the right
  int y_digits = 2;
  std::vector<Series> series = {};
  std::optional<Reference> reference = {};
};

// Axes that show all series but the faint ones, and the reference: ticks and digits. Where `least` is more than the
// values span, the axis of y spans that, so that noise does not fill the chart. False where there is nothing to show.
struct AxesOptions {
  double least = 0;
  bool x_from_zero = false;
  bool keep_x = false;  // its ticks are given
};
bool fit_axes(Chart& chart, const AxesOptions& options);

// What the chart shows, in words, for readers of screens: all values of a short series, the ends of a long one.
std::string description(const Chart& chart);

// Decimals that tell the ticks apart.
int digits_for(const std::vector<double>& ticks);

std::string render_chart(const Chart& chart);

// Its numbers, to six digits, for the scripts of a page.
io::Json chart_json(const Chart& chart);

// Circle, square, triangle, diamond: 0 to 3.
int shape_of(int run);

// The classes of a run's series: one of six colours, and from the seventh run on a rhythm of its lines.
std::string run_classes(int run);

// A mark and a piece of line as in the chart, for legends; a drawing of its own.
std::string legend_mark(int run, Series::Look look);

}  // namespace saobp::report
