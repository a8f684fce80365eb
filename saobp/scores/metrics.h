// Scores of predictions against what is right: pure functions of numbers. NaN stands for "undefined".
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace saobp::scores {

// Share of equal entries.
double accuracy(std::span<const int64_t> gold, std::span<const int64_t> predicted);

// F1 of one class: 2 TP / (2 TP + FP + FN); 0 where that class is neither there nor predicted, as scikit-learn has it.
double f1(std::span<const int64_t> gold, std::span<const int64_t> predicted, int64_t positive);

// Matthews' correlation of any number of classes (Gorodkin 2004); 0 where one side is constant, as is the convention.
double matthews(std::span<const int64_t> gold, std::span<const int64_t> predicted);

// Correlations; undefined where a side is constant or has fewer than two values. Spearman's is Pearson's of the ranks,
// ties having the mean of theirs.
double pearson(std::span<const double> gold, std::span<const double> predicted);
double spearman(std::span<const double> gold, std::span<const double> predicted);

// 1, 2, … by size; ties have the mean of their ranks.
std::vector<double> ranks_of(std::span<const double> values);

// A score of n examples, and how much another draw of as many examples would change it: the standard deviation of the
// score over 1,000 bootstrap samples of the examples, drawn with a seed of their own. Undefined samples are left out;
// NaN where none is defined.
struct Estimate {
  double value = 0, standard_error = 0;
};
Estimate estimate(int64_t examples, const std::function<double(std::span<const int64_t> examples)>& score);

// Of a mean: the standard deviation of the values, divided by √n (n − 1 in the variance).
Estimate mean(std::span<const double> values);

}  // namespace saobp::scores
