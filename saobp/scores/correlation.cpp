#include "saobp/scores/correlation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "saobp/io/error.h"
#include "saobp/scores/metrics.h"

namespace saobp::scores {
namespace {

// The regularised incomplete beta function I_x(a, b) by its continued fraction (Lentz's method), for x < (a + 1)/(a + b
// + 2), where it converges quickly.
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300, kEnough = 1e-15;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::abs(d) < kTiny ? kTiny : d);
  double sum = d;
  for (int m = 1; m < 500; ++m) {
    for (const double term : {m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                              -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))}) {
      d = 1 + term * d;
      c = 1 + term / c;
      d = 1 / (std::abs(d) < kTiny ? kTiny : d);
      if (std::abs(c) < kTiny) c = kTiny;
      sum *= d * c;
    }
    if (std::abs(d * c - 1) < kEnough) break;
  }
  return std::exp(a * std::log(x) + b * std::log1p(-x) - std::log(a) - std::lgamma(a) - std::lgamma(b) +
                  std::lgamma(a + b)) *
         sum;
}

// P(|T| > |t|) with T of Student's t distribution.
double two_sided_p(double t, double freedom) {
  const double x = freedom / (freedom + t * t);
  if (x >= 1) return 1;
  if (x <= 0) return 0;
  const double a = freedom / 2, b = 0.5;
  return x < (a + 1) / (a + b + 2) ? beta_fraction(a, b, x) : 1 - beta_fraction(b, a, 1 - x);
}

using Pairs = std::pair<std::vector<double>, std::vector<double>>;

Pairs complete(const std::vector<double>& x, const std::vector<double>& y) {
  if (x.size() != y.size()) fail("correlation of ", x.size(), " values with ", y.size());
  Pairs kept;
  for (size_t i = 0; i < x.size(); ++i)
    if (!std::isnan(x[i]) && !std::isnan(y[i])) kept.first.push_back(x[i]), kept.second.push_back(y[i]);
  return kept;
}

bool is_constant(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [&](double value) { return value == values.front(); });
}

// `spread`: the variance of Fisher's z, times n − 3, at this r.
Correlation judged(double r, size_t count, double spread) {
  const auto n = static_cast<double>(count);
  Correlation found{r, -1, 1, NAN, static_cast<int64_t>(count)};
  found.p = std::abs(r) >= 1 ? 0 : two_sided_p(r * std::sqrt((n - 2) / (1 - r * r)), n - 2);
  if (count > 3 && std::abs(r) < 1) {
    const double z = std::atanh(r), error = 1.959963984540054 * std::sqrt(spread / (n - 3));
    found.low = std::tanh(z - error), found.high = std::tanh(z + error);
  } else if (count > 3) {
    found.low = found.high = r;
  }
  return found;
}

Correlation test(const std::vector<double>& x_in, const std::vector<double>& y_in, bool ranks) {
  const auto [x, y] = complete(x_in, y_in);
  if (x.size() < 3 || is_constant(x) || is_constant(y)) return {NAN, NAN, NAN, NAN, static_cast<int64_t>(x.size())};
  const double r = std::clamp(ranks ? spearman(x, y) : pearson(x, y), -1.0, 1.0);
  return judged(r, x.size(), ranks ? 1 + r * r / 2 : 1);
}

}  // namespace

Correlation pearson_test(const std::vector<double>& x, const std::vector<double>& y) { return test(x, y, false); }
Correlation spearman_test(const std::vector<double>& x, const std::vector<double>& y) { return test(x, y, true); }

std::vector<double> adjusted_p(const std::vector<double>& p) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p.size(); ++i)
    if (!std::isnan(p[i])) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size(), NAN);
  double least = 1;
  for (size_t place = order.size(); place-- > 0;) {
    least = std::min(least, p[order[place]] * static_cast<double>(order.size()) / static_cast<double>(place + 1));
    adjusted[order[place]] = least;
  }
  return adjusted;
}

}  // namespace saobp::scores
