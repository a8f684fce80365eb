// Whether one model's score is better than another's, or only luck: of the examples, or of the seeds as well.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace saobp::scores {

// The score of one run on a sample of the examples.
using ScoreOfSample = std::function<double(std::span<const int64_t> examples)>;

struct Difference {
  double value = 0;          // second − first, means over their seeds, on all examples
  double low = 0, high = 0;  // 95 % of the bootstrap samples lie between
  double p = 1;              // two-sided: twice the smaller share of samples on the other side of 0
  int64_t samples = 0;       // those in which both are defined
  bool is_better() const { return low > 0; }
  bool is_worse() const { return high < 0; }
};

// What is drawn anew in each of 2,000 samples, with a seed of their own. Examples are the same for both arms (a paired
// bootstrap). Seeds: with `paired` the n-th run of both arms belongs together and is drawn with it; else each arm's
// runs are drawn by themselves. Both at once is the Multi-Bootstrap (Sellam et al. 2022, "The MultiBERTs").
struct Resampling {
  bool examples = true, seeds = false, paired = false;
};
Difference difference(const std::vector<ScoreOfSample>& first, const std::vector<ScoreOfSample>& second,
                      int64_t examples, const Resampling& resampling);

// McNemar's exact test on two runs' right and wrong answers: the binomial probability, two-sided, that as many of those
// on which they differ fall to one side.
struct McNemar {
  int64_t only_first = 0, only_second = 0;  // right in that run alone
  double p = 1;
};
McNemar mcnemar(std::span<const uint8_t> first_right, std::span<const uint8_t> second_right);

}  // namespace saobp::scores
