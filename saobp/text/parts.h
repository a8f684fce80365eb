// A text in parts of whole lines, worked on by several threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

namespace saobp::text {

// Calls on_line(line) for each, without its "\n"; an empty one after the last "\n" is none.
template <class OnLine>
void for_each_line(std::string_view text, OnLine&& on_line) {
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    on_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// How many of `threads` are worth starting.
inline size_t useful_workers(std::string_view text, int threads) {
  constexpr size_t kLeast = 1 << 16;  // below that a thread costs more than it brings
  return std::max<size_t>(1, std::min(static_cast<size_t>(std::max(threads, 1)), text.size() / kLeast));
}

// Parts of about equal size, several a worker so that one slow stretch does not hold up the rest, and 1 MB at most
// (but for longer lines) so that results in parts stay small; each ends after a "\n" or at the end.
inline std::vector<std::string_view> cut_at_lines(std::string_view text, size_t workers) {
  const size_t size = std::clamp<size_t>(text.size() / (workers * 8), 1 << 16, 1 << 20);
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    size_t end = size < text.size() ? text.find('\n', size) : std::string_view::npos;
    end = end == std::string_view::npos ? text.size() : end + 1;
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return parts;
}

// Calls work(worker, item) for the items 0 to count − 1 on `workers` threads, the caller's among them. The first
// exception is thrown on.
template <class Work>
void run_workers(size_t workers, size_t count, Work&& work) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  auto run = [&](size_t worker) {
    try {
      for (size_t i; (i = next++) < count;) work(worker, i);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      next = count;
    }
  };
  std::vector<std::thread> pool;
  for (size_t worker = 1; worker < workers; ++worker) pool.emplace_back(run, worker);
  run(0);
  for (std::thread& thread : pool) thread.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace saobp::text
