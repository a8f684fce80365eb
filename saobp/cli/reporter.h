// A training run's messages on the console.
#pragma once

#include "saobp/cli/console.h"
#include "saobp/train/pretrain.h"

namespace saobp::cli {

// The console must outlive it.
inline train::Reporter report_to(Console& console) {
  return {[&console](const std::string& text) { console.line(text); },
          [&console](const std::string& text, bool due) { console.progress(text, due); }};
}

}  // namespace saobp::cli
