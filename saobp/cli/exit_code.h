// Thrown by a verb that has said everything it has to say and ends with a code of its own.
#pragma once

namespace saobp::cli {

inline constexpr int kInterrupted = 130;
// Standard output is a pipe whose reader has gone, as in `… | head`: what shells show for SIGPIPE.
inline constexpr int kOutputClosed = 141;

struct ExitCode {
  int code;
};

}  // namespace saobp::cli
