// The cache file: ids of a list of documents, memory-mapped.
//
//   8 bytes   "saobpids"
//   tokens    int32 each, one document after the other; then zeros up to a multiple of 8
//   offsets   uint64 each, documents + 1 of them: document i is tokens[offsets[i] … offsets[i + 1])
//   trailer   uint64 each: version, key, tokens, documents, XXH64 of all bytes before it
//
// Little endian. The sizes stand at the end because they are known only when everything was written.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "saobp/io/file.h"
#include "saobp/io/hash.h"

namespace saobp::data {

class TokenCache {
 public:
  // Part of every key, so that a change of the format, or of how text is cut into documents, makes caches anew.
  static constexpr uint64_t kVersion = 2;

  // `key`: a hash of everything that the ids follow from. Nothing when there is no such file. When the file is there
  // but damaged (cut short, bytes changed) or holds another key, nothing too, with the reason in `damage`.
  static std::optional<TokenCache> open(const io::fs::path& path, uint64_t key, std::string& damage);

  const io::fs::path& path() const { return file_.path(); }
  uint64_t documents() const { return offsets_.size() - 1; }
  uint64_t tokens() const { return ids_.size(); }
  // Of all documents, one after the other.
  std::span<const int32_t> ids() const { return ids_; }
  // Never empty.
  std::span<const int32_t> document(uint64_t i) const {
    return ids_.subspan(offsets_[i], offsets_[i + 1] - offsets_[i]);
  }
  // documents() + 1 offsets into the tokens.
  std::span<const uint64_t> offsets() const { return offsets_; }

 private:
  io::MappedFile file_;
  std::span<const int32_t> ids_;
  std::span<const uint64_t> offsets_;
};

// Writes the file, aside first; what was not committed leaves nothing behind.
class TokenCacheWriter {
 public:
  TokenCacheWriter(const io::fs::path& path, uint64_t key);
  // A document without a token is left out.
  void add_document(std::span<const int32_t> ids);
  uint64_t tokens() const { return offsets_.back(); }
  void commit();

 private:
  void write(const void* data, size_t size);
  io::AtomicFile file_;
  uint64_t key_;
  io::Hash64 hash_;
  std::vector<uint64_t> offsets_{0};
};

}  // namespace saobp::data
