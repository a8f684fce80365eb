// Correlation with what it takes to judge it: two-sided p, an interval, and a correction for how many were tried.
#pragma once

#include <cstdint>
#include <vector>

namespace saobp::scores {

struct Correlation {
  double r;  // NaN where one side is constant, or there are fewer than three pairs
  double low,
      high;  // 95 %, from Fisher's z (of Spearman's with the variance of Bonett & Wright 2000); −1 and 1 below 4
  double p;  // of r = 0, by Student's t with n − 2 degrees of freedom
  int64_t n;
};

// Pairs of which one is NaN are left out. Both must be of one length.
Correlation pearson_test(const std::vector<double>& x, const std::vector<double>& y);
Correlation spearman_test(const std::vector<double>& x, const std::vector<double>& y);

// Benjamini & Hochberg (1995): the smallest false discovery rate at which each is called. NaN stays, and counts not.
std::vector<double> adjusted_p(const std::vector<double>& p);

}  // namespace saobp::scores
