#include "saobp/train/reporter.h"

#include <algorithm>
#include <cmath>

#include "saobp/train/wording.h"

namespace saobp::train {
namespace {

std::string text_of(const Note& note) {
  if (note.topic.empty()) return note.text;
  constexpr size_t kTopic = 12;
  return note.topic + std::string(kTopic - std::min(kTopic - 1, note.topic.size()), ' ') + note.text;
}

std::string text_of(const Working& working) {
  return working.share ? format("%s: %.0f %%", working.what.c_str(), std::floor(100 * *working.share))
                       : working.what + " …";
}

std::string text_of(const StepMade& made) {
  return format("step %lld/%lld  loss %.4f  %.0f %s/s  %s left", static_cast<long long>(made.step),
                static_cast<long long>(made.steps), made.loss, made.units_a_second, made.unit.c_str(),
                duration(made.seconds_left).c_str());
}

std::string text_of(const Logged& logged) {
  return logged.kind == Logged::Kind::skipped ? logged.text : concat("step ", logged.step, "  ", logged.text);
}

}  // namespace

std::string text_of(const Event& event) {
  return std::visit([](const auto& told) { return text_of(told); }, event);
}

bool passes(const Event& event) {
  const auto* made = std::get_if<StepMade>(&event);
  return std::holds_alternative<Working>(event) || (made != nullptr && made->line.is_null());
}

}  // namespace saobp::train
