#include "saobp/scores/compare.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace saobp::scores {
namespace {

constexpr int kSamples = 2000;
constexpr uint64_t kSeed = 16163;

using Places = std::vector<int64_t>;

Places all_of(int64_t count) {
  Places places(static_cast<size_t>(count));
  std::iota(places.begin(), places.end(), int64_t{0});
  return places;
}

// As many as there are, drawn with replacement.
void draw_anew(Places& places, std::mt19937_64& draw) {
  const auto count = static_cast<uint64_t>(places.size());
  for (auto& place : places) place = static_cast<int64_t>((static_cast<unsigned __int128>(draw()) * count) >> 64);
}

double mean_score(const std::vector<ScoreOfSample>& runs, const Places& seeds, const Places& examples,
                  std::vector<double>& of_run) {
  std::fill(of_run.begin(), of_run.end(), std::numeric_limits<double>::quiet_NaN());
  double sum = 0;
  for (int64_t seed : seeds) {
    auto& score = of_run[static_cast<size_t>(seed)];
    if (std::isnan(score)) score = runs[static_cast<size_t>(seed)](examples);
    sum += score;
  }
  return sum / static_cast<double>(seeds.size());
}

}  // namespace

Difference difference(const std::vector<ScoreOfSample>& first, const std::vector<ScoreOfSample>& second,
                      int64_t examples, const Resampling& resampling) {
  auto sample = all_of(examples), first_seeds = all_of(static_cast<int64_t>(first.size())),
       second_seeds = all_of(static_cast<int64_t>(second.size()));
  std::vector<double> first_scores(first.size()), second_scores(second.size());
  const auto compute = [&] {
    return mean_score(second, second_seeds, sample, second_scores) -
           mean_score(first, first_seeds, sample, first_scores);
  };
  Difference found;
  found.value = compute();
  std::mt19937_64 draw(kSeed);
  std::vector<double> values;  // of one example every sample is the same, which says nothing
  for (int n = 0; n < (examples < 2 ? 0 : kSamples); ++n) {
    if (resampling.examples) draw_anew(sample, draw);
    if (resampling.seeds) {
      draw_anew(first_seeds, draw);
      resampling.paired ? void(second_seeds = first_seeds) : draw_anew(second_seeds, draw);
    }
    if (const double value = compute(); std::isfinite(value)) values.push_back(value);
  }
  found.samples = static_cast<int64_t>(values.size());
  if (values.empty()) {
    found.low = found.high = found.p = std::numeric_limits<double>::quiet_NaN();
    return found;
  }
  std::sort(values.begin(), values.end());
  const auto quantile = [&](double share) {
    return values[static_cast<size_t>(std::llround(share * static_cast<double>(values.size() - 1)))];
  };
  found.low = quantile(0.025), found.high = quantile(0.975);
  const auto count = [&](auto&& is) { return static_cast<double>(std::count_if(values.begin(), values.end(), is)); };
  const double below = count([](double v) { return v <= 0; }), above = count([](double v) { return v >= 0; });
  // One more on each side, so that no finite number of samples says 0.
  found.p = std::min(1.0, 2 * (std::min(below, above) + 1) / (static_cast<double>(values.size()) + 1));
  return found;
}

McNemar mcnemar(std::span<const uint8_t> first_right, std::span<const uint8_t> second_right) {
  McNemar found;
  for (size_t i = 0; i < first_right.size(); ++i) {
    found.only_first += first_right[i] && !second_right[i];
    found.only_second += !first_right[i] && second_right[i];
  }
  const int64_t n = found.only_first + found.only_second, fewer = std::min(found.only_first, found.only_second);
  if (n == 0) return found;
  double sum = 0;
  const auto log_choose = [n](int64_t k) {
    const auto d = [](int64_t x) { return static_cast<double>(x); };
    return std::lgamma(d(n) + 1) - std::lgamma(d(k) + 1) - std::lgamma(d(n - k) + 1);
  };
  for (int64_t k = 0; k <= fewer; ++k) sum += std::exp(log_choose(k) - static_cast<double>(n) * std::log(2.0));
  found.p = std::min(1.0, 2 * sum);
  return found;
}

}  // namespace saobp::scores
