#include "saobp/text/batch.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "saobp/text/code_points.h"
#include "saobp/text/parts.h"

namespace saobp::text {
namespace {

void encode_one(const Tokenizer& tokenizer, std::string_view text, bool spans, EncodedLines& out) {
  if (spans) {
    const size_t before = out.spans.size();
    tokenizer.encode(text, out.ids, out.spans);
    const CodePoints points(text);
    for (size_t i = before; i < out.spans.size(); ++i) out.spans[i] = points.characters(out.spans[i]);
  } else {
    tokenizer.encode(text, out.ids);
  }
  out.ends.push_back(static_cast<int64_t>(out.ids.size()));
}

void encode_part(const Tokenizer& tokenizer, std::string_view text, bool spans, EncodedLines& out) {
  // A third of the bytes is more ids than common text has; growing by doubling does the rest.
  out.ids.reserve(text.size() / 3);
  if (spans) out.spans.reserve(text.size() / 3);
  for_each_line(text, [&](std::string_view line) { encode_one(tokenizer, line, spans, out); });
}

// Puts parts together in their order while other threads still encode.
class Collector {
 public:
  Collector(EncodedLines& all, size_t parts) : all_(all), waiting_(parts) {}

  void finish(size_t index, EncodedLines part) {
    std::unique_lock lock(mutex_);
    waiting_[index] = std::move(part);
    if (std::exchange(appending_, true)) return;  // the thread that is at it will see this part
    while (next_ < waiting_.size() && waiting_[next_]) {
      EncodedLines ready = *std::exchange(waiting_[next_++], std::nullopt);
      lock.unlock();
      append(ready);
      lock.lock();
    }
    appending_ = false;
  }

 private:
  void append(const EncodedLines& part) {
    const auto before = static_cast<int64_t>(all_.ids.size());
    all_.ids.insert(all_.ids.end(), part.ids.begin(), part.ids.end());
    all_.spans.insert(all_.spans.end(), part.spans.begin(), part.spans.end());
    for (int64_t end : part.ends) all_.ends.push_back(before + end);
  }

  EncodedLines& all_;
  std::mutex mutex_;
  std::vector<std::optional<EncodedLines>> waiting_;
  size_t next_ = 0;
  bool appending_ = false;
};

}  // namespace

EncodedLines encode_lines(const Tokenizer& tokenizer, std::string_view text, int threads, bool spans) {
  EncodedLines all;
  const size_t workers = useful_workers(text, threads);
  if (workers == 1) {
    encode_part(tokenizer, text, spans, all);
    return all;
  }
  const auto parts = cut_at_lines(text, workers);
  all.ids.reserve(text.size() / 3);
  Collector collector(all, parts.size());
  run_workers(workers, parts.size(), [&](size_t, size_t i) {
    EncodedLines part;
    encode_part(tokenizer, parts[i], spans, part);
    collector.finish(i, std::move(part));
  });
  return all;
}

EncodedLines encode_documents(const Tokenizer& tokenizer, const std::vector<std::string>& documents, int threads,
                              bool spans) {
  constexpr size_t kPart = 64;  // documents that a thread takes at a time
  const size_t parts = (documents.size() + kPart - 1) / kPart;
  EncodedLines all;
  Collector collector(all, parts);
  run_workers(std::clamp<size_t>(parts, 1, static_cast<size_t>(std::max(threads, 1))), parts, [&](size_t, size_t i) {
    EncodedLines part;
    for (size_t k = i * kPart; k < std::min(documents.size(), (i + 1) * kPart); ++k)
      encode_one(tokenizer, documents[k], spans, part);
    collector.finish(i, std::move(part));
  });
  return all;
}

}  // namespace saobp::text
