#include "saobp/cli/openmp_waits.h"

#include <alloca.h>
#include <limits.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace saobp::cli {
namespace {

char spin_count[] = "GOMP_SPINCOUNT=10000";
constexpr const char* kNames[] = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"};

// The runtime reads its variables when it is loaded, before main() and before any constructor of the program: too early
// to set them. This runs earlier still, when libraries are mapped but none is initialised, and starts the program anew
// with the variable set, which costs a few milliseconds. Nothing of the C library that wants initialising may be used
// here, and no sanitizer's.
__attribute__((no_sanitize("address", "thread", "undefined"))) void choose_waits(int, char** arguments,
                                                                                 char** environment) {
  size_t count = 0;
  for (; environment[count]; ++count)
    for (const char* name : kNames) {
      const size_t length = std::strlen(name);
      if (std::strncmp(environment[count], name, length) == 0 && environment[count][length] == '=') return;
    }
  auto** own = static_cast<char**>(alloca((count + 2) * sizeof(char*)));
  own[0] = spin_count;
  for (size_t i = 0; i <= count; ++i) own[i + 1] = environment[i];
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return;
  path[length] = 0;
  ::execve(path, arguments, own);  // comes back only where it fails; then the runtime keeps its own ways
}

__attribute__((section(".preinit_array"), used)) void (*const before_libraries)(int, char**, char**) = choose_waits;

}  // namespace

std::string openmp_waits() {
  std::string text;
  for (const char* name : kNames)
    if (const char* value = std::getenv(name)) text += (text.empty() ? "" : " ") + std::string(name) + "=" + value;
  return text.empty() ? "as OpenMP's runtime chooses" : text;
}

}  // namespace saobp::cli
