// What an optimiser is told.
#pragma once

#include <cstdint>

#include "saobp/io/fields.h"

namespace saobp::train {

// How the learning rate falls to 0 after the warm-up.
enum class Schedule { cosine, linear };

inline const std::vector<std::string>& enum_names(Schedule) {
  static const std::vector<std::string> names = {"cosine", "linear"};
  return names;
}

struct OptimizerOptions {
  double learning_rate = 5e-4;
  Schedule schedule = Schedule::cosine;
  int64_t warmup_steps = 100;
  double weight_decay = 0.01;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double clip = 1.0;
  double strength_learning_rate = 1e-3;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("learning_rate", self.learning_rate, "the highest, reached after the warm-up", io::between(0, 1));
    visit("schedule", self.schedule, "how it falls towards 0 from there: cosine or linear");
    visit("warmup_steps", self.warmup_steps, "steps of linear warm-up", io::at_least(0));
    visit("weight_decay", self.weight_decay, "of AdamW; none on biases and LayerNorm", io::between(0, 1));
    visit("beta1", self.beta1, "of AdamW", io::between(0, 0.999999));
    visit("beta2", self.beta2, "of AdamW", io::between(0, 0.9999999));
    visit("epsilon", self.epsilon, "of AdamW", io::between(1e-16, 1));
    visit("clip", self.clip, "largest norm of the gradient; 0 clips nothing", io::between(0, 1e9));
    visit("strength_learning_rate", self.strength_learning_rate,
          "the highest of learned strengths, which follow the same warm-up and schedule, without decay",
          io::between(0, 1));
  }
};

}  // namespace saobp::train
