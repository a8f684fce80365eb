#include "saobp/data/corpus.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <thread>

#include "saobp/data/hash.h"
#include "saobp/data/text_file.h"
#include "saobp/io/error.h"

namespace saobp::data {
namespace {

// Text that is tokenised and held in memory at a time, and the piece of it that a thread takes.
constexpr size_t kWaveBytes = 16 << 20, kTaskBytes = 128 << 10;
// Files that are mapped at a time: the system allows some ten thousands.
constexpr size_t kWaveFiles = 4096;

uint64_t hash_of(std::string_view text, uint64_t seed = 0) {
  Hash64 hash(seed);
  hash.add(text);
  return hash.value();
}

// Documents in, ids out to the cache in the same order, encoded by several threads a wave at a time.
class ParallelEncoder {
 public:
  ParallelEncoder(const text::Tokenizer& tokenizer, TokenCacheWriter& writer, int threads)
      : tokenizer_(tokenizer), writer_(writer), threads_(threads) {}

  // `document` must live until the next flush(). True when enough has gathered for one.
  bool add(std::string_view document) {
    if (tasks_.empty() || tasks_.back().bytes >= kTaskBytes) tasks_.emplace_back();
    tasks_.back().documents.push_back(document);
    tasks_.back().bytes += document.size();
    bytes_ += document.size();
    return bytes_ >= kWaveBytes;
  }

  void flush() {
    std::atomic<size_t> next = 0;
    auto work = [&] {
      for (size_t i; (i = next++) < tasks_.size();) encode(tasks_[i]);
    };
    std::vector<std::jthread> helpers;
    for (size_t i = 1; i < std::min<size_t>(threads_, tasks_.size()); ++i) helpers.emplace_back(work);
    work();
    helpers.clear();  // joins
    for (const Task& task : tasks_) {
      if (task.error) std::rethrow_exception(task.error);
      size_t start = 0;
      for (size_t stop : task.stops) {
        writer_.add_document(std::span(task.ids).subspan(start, stop - start));
        start = stop;
      }
    }
    tasks_.clear();
    bytes_ = 0;
  }

 private:
  struct Task {
    std::vector<std::string_view> documents;
    size_t bytes = 0;
    std::vector<int32_t> ids;
    std::vector<size_t> stops;  // of each document within ids
    std::exception_ptr error;
  };

  void encode(Task& task) const {
    try {
      std::string buffer;
      for (std::string_view document : task.documents) {
        tokenizer_.encode(with_line_feeds(document, buffer), task.ids);
        task.stops.push_back(task.ids.size());
      }
    } catch (...) {
      task.error = std::current_exception();
    }
  }

  const text::Tokenizer& tokenizer_;
  TokenCacheWriter& writer_;
  int threads_;
  std::vector<Task> tasks_;
  size_t bytes_ = 0;
};

// One source: its files with what identifies their contents, and the way from them to a cache.
struct SourceText {
  std::string name;
  DocumentEnd document;
  std::vector<fs::path> files;
  std::vector<uint64_t> hashes;  // of each file's bytes
  uint64_t bytes = 0;

  SourceText(const CorpusSource& source, const std::vector<std::string>& exclude)
      : name(source.path), document(source.document), files(find_files(source, exclude)) {
    for (const auto& path : files) {
      io::MappedFile file(path);
      hashes.push_back(hash_of(file.text()));
      bytes += file.text().size();
    }
  }

  // Names and dates of files don't count: what was read, in which order, and how.
  uint64_t key(uint64_t tokenizer) const {
    Hash64 hash;
    const uint64_t facts[] = {TokenCache::kVersion, tokenizer, static_cast<uint64_t>(document), files.size()};
    hash.add(facts, sizeof facts);
    hash.add(hashes.data(), hashes.size() * sizeof(uint64_t));
    return hash.value();
  }

  void tokenize(const fs::path& cache, uint64_t key, const text::Tokenizer& tokenizer, const Corpus::Progress& progress,
                int threads) const {
    TokenCacheWriter writer(cache, key);
    ParallelEncoder encoder(tokenizer, writer, threads);
    std::vector<io::MappedFile> mapped;  // whose documents the encoder may hold
    uint64_t done = 0;
    auto flush = [&](uint64_t bytes) {
      encoder.flush();
      if (progress) progress({name, bytes, this->bytes});
    };
    for (size_t i = 0; i < files.size(); ++i) {
      io::MappedFile file(files[i]);
      std::string_view text = file.text();
      if (hash_of(text) != hashes[i]) fail(files[i].string(), ": changed while it was read; nothing was cached");
      require_text(text, files[i].string());
      split_documents(text, document, [&](std::string_view found) {
        if (encoder.add(found)) flush(done + static_cast<uint64_t>(found.data() + found.size() - text.data()));
      });
      done += text.size();
      mapped.push_back(std::move(file));
      if (mapped.size() >= kWaveFiles) {
        flush(done);
        mapped.clear();
      }
    }
    flush(done);
    if (writer.tokens() == 0)
      fail(name, ": ", files.size(), files.size() == 1 ? " file" : " files", " of ", bytes,
           " bytes in all and not one token; text was expected");
    writer.commit();
  }
};

std::string hexadecimal(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

Corpus::Corpus(const CorpusOptions& options, const text::Tokenizer& tokenizer, const Progress& progress, int threads) {
  const auto sources = parse_sources(options);
  const fs::path folder = cache_folder(options.cache);
  // With sorted keys: a tokenizer that was saved and loaded again may order its file differently and is still the same.
  const uint64_t tokenizer_hash = hash_of(nlohmann::json::parse(tokenizer.to_json()).dump());
  if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  for (const CorpusSource& source : sources) {
    SourceText text(source, options.exclude);
    const uint64_t key = text.key(tokenizer_hash);
    const fs::path path = folder / (hexadecimal(key) + ".ids");
    std::string damage;
    auto cache = TokenCache::open(path, key, damage);
    const bool cached = cache.has_value();
    if (!cached) {
      if (!damage.empty())
        std::fprintf(stderr, "note: %s: %s; the text is tokenised again\n", path.c_str(), damage.c_str());
      io::make_folder(folder);
      text.tokenize(path, key, tokenizer, progress, threads);
      cache = TokenCache::open(path, key, damage);
      if (!cache) fail(path.string(), ": cannot be read back after it was written: ", damage);
    }
    sources_.push_back({source.path, source.weight, text.files.size(), text.bytes, cached, std::move(*cache)});
  }
}

uint64_t Corpus::documents() const {
  uint64_t sum = 0;
  for (const auto& source : sources_) sum += source.tokens.documents();
  return sum;
}

uint64_t Corpus::tokens() const {
  uint64_t sum = 0;
  for (const auto& source : sources_) sum += source.tokens.tokens();
  return sum;
}

}  // namespace saobp::data
