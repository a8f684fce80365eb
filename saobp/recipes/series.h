// A number for each sequence that has one: their mean and its standard error, as JSON.
#pragma once

#include <cmath>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::recipes {

class Series {
 public:
  // NaN: this sequence has none.
  void add(double value) {
    if (!std::isnan(value)) values_.push_back(value);
  }

  // null of nothing, and where one of them is infinite.
  io::Json mean() const { return io::number_or_null(average()); }
  // null below two.
  io::Json error() const {
    const auto n = static_cast<double>(values_.size());
    double squares = 0;
    for (double value : values_) squares += (value - average()) * (value - average());
    return io::number_or_null(std::sqrt(squares / (n * (n - 1))));
  }

 private:
  double average() const {
    double sum = 0;
    for (double value : values_) sum += value;
    return sum / static_cast<double>(values_.size());
  }

  std::vector<double> values_;
};

}  // namespace saobp::recipes
