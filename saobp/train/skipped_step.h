// A step that made no update, since its loss or gradient was not finite.
#pragma once

#include <cmath>
#include <string>

#include "saobp/io/json.h"
#include "saobp/train/step.h"

namespace saobp::train {

struct SkippedStep {
  int64_t step;
  StepResult result;
  uint64_t first_row, last_row;  // that it saw, on all ranks

  // A line of metrics.jsonl; `skipped` counts the steps like this one so far.
  io::Json to_json(int64_t skipped) const {
    const auto written = [](double number) {
      return std::isfinite(number) ? io::Json(number) : io::Json(concat(number));
    };
    return {{"step", step},
            {"skipped_loss", written(result.loss)},
            {"skipped_grad_norm", written(result.gradient_norm)},
            {"rows", {first_row, last_row}},
            {"skipped", skipped}};
  }

  std::string text() const {
    return concat("step ", step, " was skipped: the loss is ", result.loss, ", the gradient's norm ",
                  result.gradient_norm, "; rows ", first_row, " to ", last_row);
  }
};

}  // namespace saobp::train
