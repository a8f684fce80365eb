#include "saobp/scores/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>

namespace saobp::scores {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

double accuracy(std::span<const int64_t> gold, std::span<const int64_t> predicted) {
  if (gold.empty()) return kUndefined;
  int64_t right = 0;
  for (size_t i = 0; i < gold.size(); ++i) right += gold[i] == predicted[i];
  return static_cast<double>(right) / static_cast<double>(gold.size());
}

double f1(std::span<const int64_t> gold, std::span<const int64_t> predicted, int64_t positive) {
  int64_t both = 0, either = 0;
  for (size_t i = 0; i < gold.size(); ++i) {
    both += gold[i] == positive && predicted[i] == positive;
    either += (gold[i] == positive) + (predicted[i] == positive);
  }
  return either == 0 ? 0 : 2.0 * static_cast<double>(both) / static_cast<double>(either);
}

double matthews(std::span<const int64_t> gold, std::span<const int64_t> predicted) {
  std::map<int64_t, double> of_gold, of_predicted;
  double right = 0;
  const auto count = static_cast<double>(gold.size());
  for (size_t i = 0; i < gold.size(); ++i) {
    ++of_gold[gold[i]], ++of_predicted[predicted[i]];
    right += gold[i] == predicted[i];
  }
  double products = 0, gold_squares = 0, predicted_squares = 0;
  for (const auto& [label, times] : of_gold) {
    gold_squares += times * times;
    if (const auto found = of_predicted.find(label); found != of_predicted.end()) products += times * found->second;
  }
  for (const auto& [label, times] : of_predicted) predicted_squares += times * times;
  const double under = (count * count - gold_squares) * (count * count - predicted_squares);
  return under == 0 ? 0 : (right * count - products) / std::sqrt(under);
}

double pearson(std::span<const double> gold, std::span<const double> predicted) {
  if (gold.size() < 2) return kUndefined;
  const auto constant = [](std::span<const double> values) {
    return std::all_of(values.begin(), values.end(), [&](double value) { return value == values[0]; });
  };
  if (constant(gold) || constant(predicted)) return kUndefined;
  const double gold_mean = mean_of(gold), predicted_mean = mean_of(predicted);
  long double both = 0, gold_squares = 0, predicted_squares = 0;  // no square of a double is beyond it, or below
  for (size_t i = 0; i < gold.size(); ++i) {
    const long double x = gold[i] - gold_mean, y = predicted[i] - predicted_mean;
    both += x * y, gold_squares += x * x, predicted_squares += y * y;
  }
  return static_cast<double>(std::clamp(both / std::sqrt(gold_squares) / std::sqrt(predicted_squares), -1.0L, 1.0L));
}

std::vector<double> ranks_of(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t first = 0, last; first < order.size(); first = last) {
    for (last = first + 1; last < order.size() && values[order[last]] == values[order[first]];) ++last;
    for (size_t i = first; i < last; ++i) ranks[order[i]] = 0.5 * static_cast<double>(first + 1 + last);
  }
  return ranks;
}

double spearman(std::span<const double> gold, std::span<const double> predicted) {
  const auto finite = [](double value) { return std::isfinite(value); };
  if (!std::all_of(predicted.begin(), predicted.end(), finite)) return kUndefined;
  return pearson(ranks_of(gold), ranks_of(predicted));
}

Estimate estimate(int64_t examples, const std::function<double(std::span<const int64_t>)>& score) {
  std::vector<int64_t> sample(static_cast<size_t>(examples));
  std::iota(sample.begin(), sample.end(), int64_t{0});
  Estimate found{score(sample), kUndefined};
  if (examples < 2) return found;
  constexpr int kSamples = 1000;
  constexpr uint64_t kSeed = 20251;
  // The engine's numbers are fixed by the standard, and multiplying them down keeps them so.
  std::mt19937_64 draw(kSeed);
  double sum = 0, squares = 0, defined = 0;
  for (int n = 0; n < kSamples; ++n) {
    for (auto& example : sample)
      example = static_cast<int64_t>((static_cast<unsigned __int128>(draw()) * static_cast<uint64_t>(examples)) >> 64);
    const double value = score(sample);
    if (!std::isfinite(value)) continue;
    sum += value, squares += value * value, ++defined;
  }
  if (defined > 1) found.standard_error = std::sqrt(std::max(0.0, (squares - sum * sum / defined) / (defined - 1)));
  return found;
}

Estimate mean(std::span<const double> values) {
  if (values.empty()) return {kUndefined, kUndefined};
  const double value = mean_of(values);
  double squares = 0;
  for (double each : values) squares += (each - value) * (each - value);
  const auto count = static_cast<double>(values.size());
  return {value, count < 2 ? kUndefined : std::sqrt(squares / (count - 1) / count)};
}

}  // namespace saobp::scores
