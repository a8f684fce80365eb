#include "saobp/data/corpus.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <exception>
#include <thread>

#include "saobp/data/json_lines.h"
#include "saobp/data/parquet_text.h"
#include "saobp/data/text_blocks.h"
#include "saobp/data/text_file.h"
#include "saobp/io/byte_stream.h"
#include "saobp/io/error.h"
#include "saobp/io/hash.h"
#include "saobp/io/input_file.h"
#include "saobp/io/partial.h"

namespace saobp::data {
namespace {

using io::Hash64;

// Text that is tokenised and held in memory at a time, and the piece of it that a thread takes.
constexpr size_t kWaveBytes = 16 << 20, kTaskBytes = 128 << 10;

uint64_t hash_of(std::string_view text, uint64_t seed = 0) {
  Hash64 hash(seed);
  hash.add(text);
  return hash.value();
}

// Hash and number of the bytes of a file as it is stored.
std::pair<uint64_t, uint64_t> hash_of_file(const fs::path& path) {
  io::ByteStream file(path);
  Hash64 hash;
  std::vector<char> buffer(1 << 20);
  uint64_t bytes = 0;
  while (const size_t got = file.read(buffer.data(), buffer.size())) hash.add(buffer.data(), got), bytes += got;
  return {hash.value(), bytes};
}

// Documents in, ids out to the cache in the same order, encoded by several threads a wave at a time.
class ParallelEncoder {
 public:
  ParallelEncoder(const text::Tokenizer& tokenizer, const std::string& text_field, TokenCacheWriter& writer,
                  int threads)
      : tokenizer_(tokenizer), text_field_(text_field), writer_(writer), threads_(threads) {}

  // `raw`, a document or the JSON line that holds it, is part of the block, which must live until the next flush().
  // True when enough has gathered for one.
  bool add(const TextBlock& block, std::string_view raw) {
    if (tasks_.empty() || tasks_.back().bytes >= kTaskBytes) tasks_.emplace_back();
    tasks_.back().documents.emplace_back(&block, raw);
    tasks_.back().bytes += raw.size();
    bytes_ += raw.size();
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
    std::vector<std::pair<const TextBlock*, std::string_view>> documents;
    size_t bytes = 0;
    std::vector<int32_t> ids;
    std::vector<size_t> stops;  // of each document within ids
    std::exception_ptr error;
  };

  void encode(Task& task) const {
    try {
      std::string buffer;
      auto encode_document = [&](std::string_view document) {
        tokenizer_.encode(with_line_feeds(document, buffer), task.ids);
        task.stops.push_back(task.ids.size());
      };
      for (const auto& [block, raw] : task.documents) {
        if (block->end == DocumentEnd::jsonl)  // its text is like a file of its own
          split_documents(text_of_json_line(raw, *block, text_field_), DocumentEnd::file, encode_document);
        else
          encode_document(raw);
      }
    } catch (...) {
      task.error = std::current_exception();
    }
  }

  const text::Tokenizer& tokenizer_;
  const std::string& text_field_;
  TokenCacheWriter& writer_;
  int threads_;
  std::vector<Task> tasks_;
  size_t bytes_ = 0;
};

// One source: its files with what identifies their contents, and the way from them to a cache.
class SourceText {
 public:
  SourceText(const CorpusSource& source, const CorpusOptions& options)
      : name_(source.path), text_field_(options.text_field) {
    for (const auto& path : find_files(source, options.exclude)) {
      const DocumentEnd end = document_end(source, path);
      const bool has_fields = end == DocumentEnd::jsonl || is_parquet(io::InputFile(path).start());
      const auto [hash, bytes] = hash_of_file(path);
      files_.push_back({path, end, has_fields, hash, bytes});
      bytes_ += bytes;
    }
  }

  size_t files() const { return files_.size(); }
  uint64_t bytes() const { return bytes_; }

  // Names and dates of files don't count: what was read, in which order, and how.
  uint64_t key(uint64_t tokenizer) const {
    Hash64 hash;
    auto add = [&](uint64_t fact) { hash.add(&fact, sizeof fact); };
    add(TokenCache::kVersion), add(tokenizer), add(files_.size());
    for (const File& file : files_) {
      add(static_cast<uint64_t>(file.end)), add(file.hash);
      if (file.has_fields) add(hash_of(text_field_));
    }
    return hash.value();
  }

  void tokenize(const fs::path& cache, uint64_t key, const text::Tokenizer& tokenizer, const Corpus::Progress& progress,
                int threads) const {
    TokenCacheWriter writer(cache, key);
    ParallelEncoder encoder(tokenizer, text_field_, writer, threads);
    std::deque<TextBlock> blocks;  // whose documents the encoder may hold
    uint64_t done = 0;
    auto flush = [&](uint64_t bytes) {
      encoder.flush();
      while (blocks.size() > 1) blocks.pop_front();  // the last one may have more documents
      if (progress) progress({name_, bytes, bytes_});
    };
    for (const File& file : files_) {
      const auto text = open_text(file.path, file.end, text_field_);
      for (TextBlock block; text->next(block);) {
        const TextBlock& kept = blocks.emplace_back(std::move(block));
        kept.each_document([&](std::string_view raw) {
          if (encoder.add(kept, raw)) flush(done + text->position());
        });
      }
      if (hash_of_file(file.path).first != file.hash)
        fail(file.path.string(), ": changed while it was read; nothing was cached");
      done += file.bytes;
    }
    flush(done);
    if (writer.tokens() == 0)
      fail(name_, ": ", io::counted(files(), "file"), " of ", io::counted(bytes_, "byte"),
           " in all and not one token; text was expected");
    writer.commit();
  }

 private:
  struct File {
    fs::path path;
    DocumentEnd end;
    bool has_fields;       // of which --text-field names one
    uint64_t hash, bytes;  // of it as it is stored
  };
  std::string name_, text_field_;
  std::vector<File> files_;
  uint64_t bytes_ = 0;
};

}  // namespace

Corpus::Corpus(const CorpusOptions& options, const text::Tokenizer& tokenizer, const Progress& progress, int threads)
    : holdout_(options.holdout), holdout_seed_(static_cast<uint64_t>(options.holdout_seed)) {
  const auto sources = parse_sources(options);
  const fs::path folder = cache_folder(options.cache);
  // With sorted keys: a tokenizer that was saved and loaded again may order its file differently and is still the same.
  const uint64_t tokenizer_hash = hash_of(nlohmann::json::parse(tokenizer.to_json()).dump());
  if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  for (const CorpusSource& source : sources) {
    SourceText text(source, options);
    const uint64_t key = text.key(tokenizer_hash);
    const fs::path path = folder / (io::hexadecimal(key) + ".ids");
    std::string damage;
    auto cache = TokenCache::open(path, key, damage);
    const bool cached = cache.has_value();
    if (!cached) {
      io::make_folder(folder);
      io::sweep_partial(folder);
      text.tokenize(path, key, tokenizer, progress, threads);
      std::string still;
      cache = TokenCache::open(path, key, still);
      if (!cache) fail(path.string(), ": cannot be read back after it was written: ", still);
    }
    sources_.push_back({source.path, source.weight, text.files(), text.bytes(), cached, damage, std::move(*cache)});
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

bool Corpus::held_out(Document document) const {
  Hash64 hash(holdout_seed_);
  hash.add(document.data(), document.size_bytes());
  return static_cast<double>(hash.value() >> 11) * 0x1p-53 < holdout_;
}

std::vector<Document> Corpus::documents(size_t i, Part part) const {
  const TokenCache& tokens = sources_[i].tokens;
  std::vector<Document> documents;
  for (uint64_t k = 0; k < tokens.documents(); ++k)
    if (part == Part::all || held_out(tokens.document(k)) == (part == Part::held_out))
      documents.push_back(tokens.document(k));
  return documents;
}

}  // namespace saobp::data
