// What a run tells while it works, as numbers and names: the lines of a terminal, a progress bar and metrics.jsonl are
// made from the same events.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "saobp/io/error.h"
#include "saobp/io/json.h"

namespace saobp::train {

// A sentence, and what it is about: "corpus", "warning" …; "" where it stands for itself.
struct Note {
  std::string topic, text;
};

// Work that takes a while: "validating" …; which share of it is done, where that is known.
struct Working {
  std::string what;
  std::optional<double> share = {};
};

struct StepMade {
  int64_t step, steps;
  double loss;
  std::string unit;  // "tokens" …
  double units_a_second, seconds_left;
  io::Json line;  // of metrics.jsonl; null on the steps that are not logged
};

// A step without an update, a validation, or a look at the model, as the log has it and for people.
struct Logged {
  enum class Kind { skipped, validation, attention } kind;
  int64_t step;
  io::Json line;
  std::string text;
};

using Event = std::variant<Note, Working, StepMade, Logged>;

// The same in a line for people.
std::string text_of(const Event& event);
// Whether the next event of its kind takes its place: progress, less the steps that are logged.
bool passes(const Event& event);

struct Reporter {
  std::function<void(const Event&)> tell = [](const Event&) {};

  void note(const std::string& topic, const auto&... text) const { tell(Note{topic, concat(text...)}); }
};

}  // namespace saobp::train
