// Round numbers along an axis, for any finite range: computed in long double, whose exponents reach beyond every
// double.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "saobp/io/error.h"
#include "saobp/report/chart.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

constexpr long double kMost = std::numeric_limits<double>::max();
// The least part of the axis' largest number that it spans, and the least that it spans at all: ticks stay different
// doubles.
constexpr long double kLeastShare = 1e-9L, kLeastSpan = 1e-290L;

struct Span {
  long double low, high;
};

Span widened(Range range) {
  Span span{range.low, range.high};
  const long double largest = std::max(std::abs(span.low), std::abs(span.high));
  const long double least = std::max(kLeastShare * largest, kLeastSpan);
  if (span.high - span.low >= least) return span;
  // Equal numbers get a span of 1 where that shows.
  span.high = std::min(span.low + (span.high > span.low ? least : std::max(1.0L, least)), kMost);
  span.low = std::min(span.low, span.high - least);
  return span;
}

}  // namespace

std::vector<double> round_ticks(Range range, int count) {
  if (!std::isfinite(range.low) || !std::isfinite(range.high))
    fail("an axis from ", range.low, " to ", range.high, " cannot be drawn; finite numbers were expected");
  const auto [low, high] = widened(range);
  const long double rough = (high - low) / std::max(1, count);
  const long double power = std::pow(10.0L, std::floor(std::log10(rough)));
  long double step = 10 * power;
  for (long double factor : {5.0L, 2.0L, 1.0L})
    if (factor * power >= rough * 0.999L) step = factor * power;
  std::vector<double> ticks;
  const long double first = std::floor(low / step + 1e-9L), last = std::ceil(high / step - 1e-9L);
  for (long double i = first; i <= last; ++i) ticks.push_back(static_cast<double>(std::clamp(i * step, -kMost, kMost)));
  return ticks;
}

std::vector<double> log_ticks(Range range) {
  if (!(range.low > 0) || !std::isfinite(range.high) || range.high < range.low)
    fail("a logarithmic axis from ", range.low, " to ", range.high, " cannot be drawn");
  const int first = static_cast<int>(std::floor(std::log10(range.low))),
            last = static_cast<int>(std::ceil(std::log10(range.high)));
  // Powers of ten alone over more than three of them, and of many not each.
  const bool dense = last - first <= 3;
  const int step = std::max(1, (last - first + 5) / 6);
  std::vector<double> all;
  for (int power = first; power < std::max(last, first + 1) + step; power += step)
    for (const int factor : {1, 2, 5})
      if (factor == 1 || dense) all.push_back(static_cast<double>(std::min(factor * std::pow(10.0L, power), kMost)));
  const auto high = std::find_if(all.begin(), all.end(), [&](double tick) { return tick >= range.high * (1 - 1e-9); });
  if (high != all.end()) all.erase(std::max(high, all.begin() + 1) + 1, all.end());
  while (all.size() > 2 && all[1] <= range.low * (1 + 1e-9)) all.erase(all.begin());
  return all;
}

std::vector<std::string> tick_labels(const std::vector<double>& ticks, int digits, bool integers) {
  double largest = 0;
  for (double tick : ticks) largest = std::max(largest, std::abs(tick));
  // Of neighbours in the middle, since the ends may be cut.
  const size_t middle = ticks.size() / 2;
  const double step = ticks.size() > 1 ? ticks[middle] - ticks[middle - 1] : 1;
  const bool plain = integers ? largest < 1e15 : largest < 1e7 && step > 0.9e-4;
  const double figures = std::floor(std::log10(largest)) - std::floor(std::log10(step) + 1e-9) + 1;
  const int precision = static_cast<int>(std::clamp(figures, 1.0, 17.0));
  std::vector<std::string> labels;
  for (double tick : ticks) {
    char text[40];
    std::snprintf(text, sizeof text, "%.*g", precision, tick);
    labels.push_back(!plain ? text : integers ? grouped(std::llround(tick)) : fixed(tick, digits));
  }
  return labels;
}

}  // namespace saobp::report
