// Errors that a user sees: one line that states what was found, what was expected, and where.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace saobp {

// The work failed: exit code 1. Messages quote what files hold, so that the text is made one line: control characters
// and bytes that are not UTF-8 are written as escapes, and of a very long one the middle is left out.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message);
};

// The command was used wrongly (flags, option values): exit code 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

// Numbers that are not finite where a result was expected: training has diverged, or a type does not hold them.
class NotFinite : public Error {
 public:
  using Error::Error;
};

// Joins its arguments, as `<<` would print them, into one string.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw Error(concat(parts...));
}

template <class... Parts>
[[noreturn]] void fail_usage(const Parts&... parts) {
  throw UsageError(concat(parts...));
}

}  // namespace saobp
