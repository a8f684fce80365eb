// A training run's messages on the console.
#pragma once

#include "saobp/cli/console.h"
#include "saobp/cli/exit_code.h"
#include "saobp/train/interrupt.h"
#include "saobp/train/pretrain.h"

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
  return {[=, &console](const std::string& text) { tell([&] { console.line(text); }); },
          [=, &console](const std::string& text, bool due) { tell([&] { console.progress(text, due); }); }};
}

}  // namespace saobp::cli
