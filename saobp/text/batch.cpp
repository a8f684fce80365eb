#include "saobp/text/batch.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

namespace saobp::text {
namespace {

void encode_part(const Tokenizer& tokenizer, std::string_view text, EncodedLines& out) {
  // A third of the bytes is more ids than common text has; growing by doubling does the rest.
  out.ids.reserve(text.size() / 3);
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    tokenizer.encode(text.substr(0, end), out.ids);
    out.ends.push_back(static_cast<int64_t>(out.ids.size()));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// Parts of about equal size, each ending after a "\n" or at the end.
std::vector<std::string_view> cut(std::string_view text, size_t size) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    size_t end = size < text.size() ? text.find('\n', size) : std::string_view::npos;
    end = end == std::string_view::npos ? text.size() : end + 1;
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return parts;
}

}  // namespace

EncodedLines encode_lines(const Tokenizer& tokenizer, std::string_view text, int threads) {
  constexpr size_t kLeast = 1 << 16;  // below that a thread costs more than it brings
  EncodedLines all;
  auto workers = std::min<size_t>(static_cast<size_t>(std::max(threads, 1)), text.size() / kLeast);
  if (workers <= 1) {
    encode_part(tokenizer, text, all);
    return all;
  }
  // Several parts a thread, so that one slow stretch does not hold up the rest.
  auto parts = cut(text, std::max(kLeast, text.size() / (workers * 8)));
  std::vector<EncodedLines> results(parts.size());
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  auto work = [&] {
    try {
      for (size_t i; (i = next++) < parts.size();) encode_part(tokenizer, parts[i], results[i]);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      next = parts.size();
    }
  };
  std::vector<std::thread> pool;
  for (size_t i = 1; i < workers; ++i) pool.emplace_back(work);
  work();
  for (std::thread& thread : pool) thread.join();
  if (error) std::rethrow_exception(error);

  size_t ids = 0, lines = 0;
  for (const EncodedLines& part : results) ids += part.ids.size(), lines += part.ends.size();
  all.ids.reserve(ids);
  all.ends.reserve(lines);
  for (EncodedLines& part : results) {
    auto before = static_cast<int64_t>(all.ids.size());
    all.ids.insert(all.ids.end(), part.ids.begin(), part.ids.end());
    for (int64_t end : part.ends) all.ends.push_back(before + end);
    part = {};
  }
  return all;
}

}  // namespace saobp::text
