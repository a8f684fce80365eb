// Times and numbers as a run tells them.
#pragma once

#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace saobp::train {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string format(const char* pattern, auto... values) {
  char text[256];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

inline std::string duration(double seconds) {
  auto s = static_cast<long long>(seconds);
  if (s >= 3600) return format("%lld h %02lld min", s / 3600, s / 60 % 60);
  return s >= 60 ? format("%lld min %02lld s", s / 60, s % 60) : format("%lld s", s);
}

inline int64_t peak_rss_mb() {
  struct rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

}  // namespace saobp::train
