#include "saobp/report/chart.h"

#include <gtest/gtest.h>

#include <limits>

#include "saobp/io/error.h"
#include "saobp/io/json.h"
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

}  // namespace
}  // namespace saobp::report
