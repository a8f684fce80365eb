#include "saobp/report/chart.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "saobp/io/error.h"
#include "saobp/io/json.h"
#include "saobp/report/figure.h"
#include "saobp/report/figures.h"
#include "saobp/report/html.h"
#include "saobp/report/tables.h"

namespace saobp::report {
namespace {

using io::Json;

TEST(Html, Escape) {
  EXPECT_EQ(escape("a<b>&\"'c"), "a&lt;b&gt;&amp;&quot;&#39;c");
  EXPECT_EQ(escape("λ – 語 😀"), "λ – 語 😀");
  EXPECT_EQ(escape("a\xFF"
                   "b\xC3"),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(escape("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD");  // an overlong slash
  EXPECT_EQ(escape(std::string("a\0b", 3)),
            "a\xEF\xBF\xBD"
            "b");
}

TEST(Html, Figures) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(-123456), "-123,456");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(fixed(1.005, 1), "1.0");
  EXPECT_EQ(fixed(std::numeric_limits<double>::infinity(), 2), "not finite");
  EXPECT_EQ(coordinate(1.5), "1.5");
  EXPECT_EQ(coordinate(100), "100");
  EXPECT_EQ(coordinate(-0.001), "0");
  EXPECT_EQ(plain_text(Json(5e-4)), "0.0005");
  EXPECT_EQ(plain_text(Json(true)), "yes");
  EXPECT_EQ(plain_text(Json(nullptr)), "none");
  EXPECT_EQ(plain_text(Json({"a", 1})), "[\"a\",1]");
}

TEST(Chart, TicksCoverTheRange) {
  EXPECT_EQ(round_ticks({0, 1000}, 5), (std::vector<double>{0, 200, 400, 600, 800, 1000}));
  for (const Range range :
       {Range{0.701, 0.856}, Range{2, 9.97}, Range{-3, 0.001}, Range{5, 5}, Range{0, 245000}, Range{0, 1}}) {
    const auto ticks = round_ticks(range, 5);
    ASSERT_GE(ticks.size(), 2u);
    EXPECT_LE(ticks.size(), 9u);
    EXPECT_LE(ticks.front(), range.low + 1e-9);
    EXPECT_GE(ticks.back(), range.high - 1e-9);
  }
}

// Doubles of every kind: any 64 bits that are a finite number, and the corners.
std::vector<double> finite_doubles() {
  const double most = std::numeric_limits<double>::max(), least = std::numeric_limits<double>::denorm_min();
  std::vector<double> values = {0, least, -least, most, -most, 1e308, -1e308, 1e16, 1e16 + 2, -1e16, 5, 0.1, 1e-300};
  std::mt19937_64 draw(1);
  while (values.size() < 200)
    if (const double value = std::bit_cast<double>(draw()); std::isfinite(value)) values.push_back(value);
  return values;
}

TEST(Chart, EveryFiniteRangeHasAxes) {
  const auto values = finite_doubles();
  for (double a : values)
    for (double b : values) {
      const Range range{std::min(a, b), std::max(a, b)};
      SCOPED_TRACE(Json({range.low, range.high}).dump());
      const auto ticks = round_ticks(range, 5);
      ASSERT_GE(ticks.size(), 2u);
      ASSERT_LE(ticks.size(), 9u);
      const double step = ticks[1] / 2 - ticks[0] / 2;
      EXPECT_LE(ticks.front(), range.low + step * 1e-6);
      EXPECT_GE(ticks.back(), range.high - step * 1e-6);
      for (size_t i = 0; i < ticks.size(); ++i)
        ASSERT_TRUE(std::isfinite(ticks[i]) && (i == 0 || ticks[i - 1] < ticks[i]));
      const auto labels = tick_labels(ticks, digits_for(ticks), false);
      EXPECT_EQ(std::set(labels.begin(), labels.end()).size(), labels.size()) << labels[0] << " " << labels[1];
      Chart chart;
      chart.x_ticks = chart.y_ticks = ticks;
      chart.series.push_back(
          {"s", 0, Series::Look::marked, {{range.low, range.high, ""}, {0, 0, ""}, {1e308, -1e308, ""}}});
      EXPECT_EQ(render_chart(chart).find("not finite"), std::string::npos);
    }
}

TEST(Chart, LabelsOfLargeAndOfCloseTicks) {
  EXPECT_EQ(tick_labels({0, 0.5, 1}, 1, false), (std::vector<std::string>{"0.0", "0.5", "1.0"}));
  EXPECT_EQ(tick_labels({0, 2000, 4000}, 0, true), (std::vector<std::string>{"0", "2,000", "4,000"}));
  EXPECT_EQ(tick_labels({0, 5e307, 1e308}, 0, false), (std::vector<std::string>{"0", "5e+307", "1e+308"}));
  EXPECT_EQ(tick_labels({1e16, 1.5e16, 2e16}, 2, true), (std::vector<std::string>{"1e+16", "1.5e+16", "2e+16"}));
  EXPECT_EQ(tick_labels({1e-7, 2e-7}, 4, false), (std::vector<std::string>{"1e-07", "2e-07"}));
}

TEST(Chart, AnAxisThatIsNotFiniteIsRefused) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const Range range : {Range{0, infinity}, Range{-infinity, 0}, Range{NAN, 1}, Range{0, NAN}})
    EXPECT_THROW(round_ticks(range, 5), Error);
}

TEST(Chart, MeansOfLargeNumbersAreFinite) {
  EXPECT_EQ(mean(std::vector<double>{1e308, 1e308, 1e308, 1e308}), 1e308);
  EXPECT_EQ(mean(std::vector<std::vector<double>>{{1e308, 1e308}, {1e308, 1e308}, {1e308, 1e308}}), 1e308);
  EXPECT_NEAR(smoothed(std::vector<LossPoint>(50, {1, 1e308}), 20).back() / 1e308, 1, 1e-12);
}

TEST(Chart, SmoothingKeepsAConstantAndForgetsTheStart) {
  std::vector<LossPoint> points;
  points.reserve(300);
  for (int64_t i = 0; i < 300; ++i) points.push_back({i, i < 100 ? 8.0 : 2.0});
  const auto smooth = smoothed(points, 10);
  EXPECT_NEAR(smooth.front(), 8.0, 1e-12);
  EXPECT_NEAR(smooth[99], 8.0, 1e-9);
  EXPECT_GT(smooth[103], 2.5);
  EXPECT_NEAR(smooth.back(), 2.0, 1e-6);
  EXPECT_EQ(smoothed(points, 1)[100], 2.0);
}

TEST(Chart, PointsStandWhereTheAxesSay) {
  Chart chart;
  chart.id = "c";
  chart.width = 460;
  chart.height = 300;
  chart.x_ticks = {0, 10};
  chart.y_ticks = {0, 1};
  chart.series.push_back({"s", 0, Series::Look::marked, {{0, 0, ""}, {10, 1, "top <right>"}, {5, 0.5, ""}}});
  const std::string svg = render_chart(chart);
  // The plotting area reaches from (62, 254) to (434, 30).
  EXPECT_TRUE(svg.find("points='62,254 434,30 248,142'") != std::string::npos) << svg;
  EXPECT_TRUE(svg.find("<title>top &lt;right&gt;</title>") != std::string::npos);
  chart.x_ticks = {0};
  EXPECT_THROW(render_chart(chart), Error);
}

TEST(Chart, LogarithmicAxes) {
  EXPECT_EQ(log_ticks({0.02, 0.9}), (std::vector<double>{0.02, 0.05, 0.1, 0.2, 0.5, 1}));
  EXPECT_EQ(log_ticks({0.1, 0.1}), (std::vector<double>{0.1, 0.2}));
  EXPECT_EQ(log_ticks({1e-6, 30}), (std::vector<double>{1e-6, 1e-4, 1e-2, 1, 100}));
  for (const Range range : {Range{5e-324, 1e308}, Range{1e308, 1.7e308}, Range{1e-300, 1e-300}, Range{0.3, 0.9}}) {
    const auto ticks = log_ticks(range);
    ASSERT_GE(ticks.size(), 2u);
    EXPECT_LE(ticks.size(), 12u);
    EXPECT_LE(ticks.front(), range.low * 1.001);
    EXPECT_GE(ticks.back(), range.high * 0.999);
  }
  EXPECT_THROW(log_ticks({0, 1}), Error);
  Chart chart{.id = "c", .x_ticks = {0.01, 1}, .y_ticks = {0, 1}, .integer_x = false, .log_x = true};
  chart.series = {{"s", 0, Series::Look::marked, {{0.01, 0}, {0.1, 0.5}, {1, 1}}}};
  EXPECT_TRUE(render_chart(chart).find("points='62,254 248,142 434,30'") != std::string::npos);
}

TEST(Chart, AxesShowBarsBandsAndTheReference) {
  Chart chart;
  chart.series = {{"", 0, Series::Look::faint, {{0, 900}}},
                  {"", 0, Series::Look::band, {{0, 4, "", 1}, {10, 5, "", 1}}},
                  {"mean", 0, Series::Look::line, {{0, 4}, {10, 5}}},
                  {"points", 1, Series::Look::points, {{5, 2, "", 2}}}};
  chart.reference = Reference{-3, "low"};
  ASSERT_TRUE(fit_axes(chart, {}));
  EXPECT_LE(chart.y_ticks.front(), -3);
  EXPECT_GE(chart.y_ticks.back(), 6);
  EXPECT_LT(chart.y_ticks.back(), 100) << "faint lines may leave the chart";
  EXPECT_EQ(chart.x_ticks.front(), 0);
  EXPECT_TRUE(render_chart(chart).find("<polygon points=") != std::string::npos);
  EXPECT_TRUE(render_chart(chart).find("<polyline class='error'") != std::string::npos);
  const auto json = chart_json(chart);
  EXPECT_EQ(json["series"][1]["look"], "band");
  EXPECT_EQ(json["series"][1]["error"], Json({1.0, 1.0}));
  EXPECT_EQ(json["series"][3]["y"], Json({2.0}));
  EXPECT_EQ(json["reference"]["y"], -3);
  Chart none;
  EXPECT_FALSE(fit_axes(none, {}));
}

TEST(Chart, AFileOfItsOwnNeedsNothingElse) {
  Chart chart{.id = "c", .title = "A <title>", .x_ticks = {0, 1}, .y_ticks = {0, 1}, .histograms = true};
  chart.series = {{"one & only", 0, Series::Look::points, {{0.5, 0.5}}}};
  const auto svg = figure_svg(chart);
  EXPECT_EQ(svg.find("<svg xmlns='http://www.w3.org/2000/svg'"), 0u);
  EXPECT_EQ(svg.find("var("), std::string::npos);
  for (const char* part : {"A &lt;title&gt;</text>", "one &amp; only</text>", "#0072b2", "<g class='bars run-0'>"})
    EXPECT_NE(svg.find(part), std::string::npos) << part;
}

}  // namespace
}  // namespace saobp::report
