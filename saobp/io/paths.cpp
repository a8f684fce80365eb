#include "saobp/io/paths.h"

#include <sys/stat.h>
#include <unistd.h>

#include "saobp/io/error.h"
#include "saobp/io/number.h"

namespace saobp::io {
namespace {

// N where the path is /proc/self/fd/N, also by way of /dev/fd; -1 elsewhere.
int own_descriptor(const fs::path& path) {
  std::error_code error;
  const auto folder = fs::canonical(path.parent_path(), error);
  if (error || folder != fs::canonical("/proc/self/fd", error) || error) return -1;
  return number_in<int>(path.filename().string()).value_or(-1);
}

}  // namespace

Destination destination_of(const fs::path& path) {
  constexpr int kMostLinks = 40;  // as the system has it
  Destination to{path};
  for (int links = 0; links <= kMostLinks; ++links) {
    to.descriptor = own_descriptor(to.path);
    std::error_code no_link;
    const auto next = fs::read_symlink(to.path, no_link);
    if (to.descriptor >= 0 || no_link) return to;
    to.path = to.path.parent_path() / next;  // an absolute one stands for itself
  }
  fail(path.string(), ": its symbolic links lead round in a circle");
}

bool is_standard_output(const fs::path& path) {
  return !path.empty() && destination_of(path).descriptor == STDOUT_FILENO;
}

bool name_exists(const fs::path& path) {
  struct stat ignored{};
  return ::lstat(path.c_str(), &ignored) == 0;
}

bool same_file(const fs::path& a, const fs::path& b) {
  struct stat first{}, second{};
  const bool first_exists = ::stat(a.c_str(), &first) == 0, second_exists = ::stat(b.c_str(), &second) == 0;
  if (first_exists != second_exists) return false;
  if (first_exists) return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
  std::error_code error;
  const auto place = [&](const fs::path& path) {
    return fs::weakly_canonical(fs::absolute(destination_of(path).path), error);
  };
  return place(a) == place(b);
}

void require_not_input(const fs::path& output, std::string_view flag, const std::vector<fs::path>& inputs) {
  struct stat status{};
  if (output.empty() || ::stat(output.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  for (const auto& input : inputs)
    if (same_file(output, input))
      fail_usage(flag, " ", output.string(), ": this would replace ",
                 input == output ? "" : concat(input.string(), ", "), "an input; another file was expected");
}

}  // namespace saobp::io
