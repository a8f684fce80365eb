// Line charts as inline SVG. Colours come from the page's style sheet: a series of run i has the class "run-i", which
// sets `color`; everything else is drawn in currentColor, so that the page's colour scheme reaches the charts.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace saobp::report {

struct Range {
  double low = 0, high = 1;
};

// About `count` round numbers that cover the range from its outside: the first ≤ low, the last ≥ high (or the largest
// double). Error for a range that is not finite.
std::vector<double> round_ticks(Range range, int count);
// What to write beside them: with `digits` decimals or as grouped integers, and in powers of ten where these are very
// large or close together.
std::vector<std::string> tick_labels(const std::vector<double>& ticks, int digits, bool integers);

struct Point {
  double x = 0, y = 0;
  std::string title;  // shown by browsers on hovering over the mark; empty: none
};

struct Series {
  enum class Look {
    line,    // a line
    faint,   // a thin pale line behind the others
    dashed,  // a dashed line
    marked,  // a line with marks
    hollow,  // a dashed line with hollow marks
    dots,    // small pale marks without a line
  };
  std::string title;  // for readers of screens and for hovering
  int run = 0;        // colour, shape of its marks, and from the seventh run on the rhythm of its lines
  Look look = Look::line;
  std::vector<Point> points;
};

// A horizontal line with a name.
struct Reference {
  double y = 0;
  std::string label;
};

struct Chart {
  std::string id;                  // unique on the page
  std::string title, description;  // <title> and <desc>
  std::string x_title, y_title;
  double width = 460, height = 300;      // of the drawing, in its own units
  std::vector<double> x_ticks, y_ticks;  // the ends are the ends of the axes
  double x_margin = 0;                   // room left and right of the first and last tick, in units of x
  bool integer_x = true;
  int y_digits = 2;
  std::vector<Series> series;
  std::optional<Reference> reference;
};

std::string render_chart(const Chart& chart);

// The classes of a run's series: one of six colours, and from the seventh run on a rhythm of its lines.
std::string run_classes(int run);

// A mark and a piece of line as in the chart, for legends.
std::string legend_mark(int run, Series::Look look);

}  // namespace saobp::report
