// A training run's messages on the console.
#pragma once

#include "saobp/cli/console.h"
#include "saobp/cli/exit_code.h"
#include "saobp/recipes/pretrain.h"
#include "saobp/train/interrupt.h"

namespace saobp::cli {

// The console must outlive it.
inline train::Reporter report_to(Console& console) {
  // A run nobody listens to any more ends as after Ctrl-C: its state is saved.
  const auto tell = [](const auto& say) {
    try {
      say();
    } catch (const ExitCode&) {
      train::InterruptGuard::interrupt();
    }
  };
  return {[tell, &console](const train::Event& event) {
    const bool progress = train::passes(event) || std::holds_alternative<train::StepMade>(event);
    const auto text = train::text_of(event);
    tell([&] { progress ? console.progress(text, !train::passes(event)) : console.line(text); });
  }};
}

}  // namespace saobp::cli
