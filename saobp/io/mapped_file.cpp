#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <utility>

#include "saobp/io/file.h"

namespace saobp::io {
namespace {

// The maps that there are, for a handler that may take no lock: slots are written under the mutex, `begin` last.
struct Slot {
  std::atomic<const char*> begin{nullptr};
  std::atomic<size_t> size{0};
  char name[256] = "";
};
constexpr size_t kSlots = 1024;
Slot g_slots[kSlots];
std::mutex g_slots_mutex;

void put(const char* text) {
  if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
}

// A page of a map that the file does not have any more.
void on_bus_error(int, siginfo_t* info, void*) {
  const auto* at = static_cast<const char*>(info->si_addr);
  for (const Slot& slot : g_slots)
    if (const char* begin = slot.begin; begin && at >= begin && at < begin + slot.size) {
      put("saobp: ");
      put(slot.name);
      put(": cannot be read any more: it was cut short while it was in use, or its disk fails\n");
      ::_exit(1);
    }
  ::signal(SIGBUS, SIG_DFL);  // not ours: the instruction is tried again and meets the default
}

void remember(const void* data, size_t size, const fs::path& path) {
  std::lock_guard lock(g_slots_mutex);
  static const bool installed = [] {
    struct sigaction action{};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO;
    return ::sigaction(SIGBUS, &action, nullptr) == 0;
  }();
  if (!installed) return;
  for (Slot& slot : g_slots)
    if (!slot.begin) {
      std::strncpy(slot.name, path.c_str(), sizeof slot.name - 1);
      slot.size = size;
      slot.begin = static_cast<const char*>(data);
      return;
    }
}

void forget(const void* data) {
  std::lock_guard lock(g_slots_mutex);
  for (Slot& slot : g_slots)
    if (slot.begin == data) slot.begin = nullptr;
}

}  // namespace

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  // Without O_NONBLOCK opening a pipe that nobody writes to would wait for ever.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) fail(path.string(), ": cannot be opened: ", std::strerror(errno));
  struct stat status{};
  const bool regular = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  const auto size = static_cast<size_t>(status.st_size);
  void* map = regular && size > 0 ? ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0) : nullptr;
  const int error = errno;
  ::close(file);
  if (!regular) fail(path.string(), ": is ", kind_of_file(status.st_mode), "; a file was expected");
  if (map == MAP_FAILED) fail(path.string(), ": cannot be mapped: ", std::strerror(error));
  if (!map) return;
  data_ = static_cast<const std::byte*>(map);
  size_ = size;
  remember(data_, size_, path_);
}

MappedFile::~MappedFile() {
  if (!data_) return;
  forget(data_);
  ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace saobp::io
