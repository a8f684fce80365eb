#include "saobp/data/token_cache.h"

#include <bit>
#include <cstring>

#include "saobp/io/error.h"
#include "saobp/io/words.h"

namespace saobp::data {
namespace {

static_assert(std::endian::native == std::endian::little, "the cache is mapped as it is");
constexpr std::string_view kMagic = "saobpids";

struct Trailer {
  uint64_t version, key, tokens, documents, checksum;
};
constexpr size_t kChecked = offsetof(Trailer, checksum);  // the bytes of the trailer that the checksum covers

size_t padding(uint64_t tokens) { return tokens % 2 * sizeof(int32_t); }

// What is wrong with a file of these bytes; empty when nothing is. The sizes are bounded by the file's before they are
// added up, so that a trailer of nonsense can't overflow them.
std::string find_damage(std::span<const std::byte> bytes, uint64_t key, Trailer& trailer) {
  size_t size = bytes.size();
  if (size < kMagic.size() + sizeof(uint64_t) + sizeof trailer || size % 8 != 0) return "it is cut short";
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) return "it does not start as a token cache does";
  std::memcpy(&trailer, bytes.data() + size - sizeof trailer, sizeof trailer);
  if (trailer.version != TokenCache::kVersion || trailer.key != key || trailer.tokens > size ||
      trailer.documents > size)
    return "its trailer is not what was written";
  uint64_t expected = kMagic.size() + trailer.tokens * sizeof(int32_t) + padding(trailer.tokens) +
                      (trailer.documents + 1) * sizeof(uint64_t) + sizeof trailer;
  if (expected != size) return concat("it has ", io::counted(size, "byte"), " where ", expected, " were written");
  io::Hash64 hash;
  hash.add(bytes.data(), size - sizeof trailer + kChecked);
  return hash.value() == trailer.checksum ? "" : "its checksum is wrong";
}

}  // namespace

std::optional<TokenCache> TokenCache::open(const io::fs::path& path, uint64_t key, std::string& damage) {
  damage.clear();
  if (!io::fs::exists(path)) return std::nullopt;
  TokenCache cache;
  cache.file_ = io::MappedFile(path);
  Trailer trailer{};
  damage = find_damage(cache.file_.bytes(), key, trailer);
  if (!damage.empty()) return std::nullopt;
  const std::byte* ids = cache.file_.bytes().data() + kMagic.size();
  const std::byte* offsets = ids + trailer.tokens * sizeof(int32_t) + padding(trailer.tokens);
  cache.ids_ = {reinterpret_cast<const int32_t*>(ids), trailer.tokens};
  cache.offsets_ = {reinterpret_cast<const uint64_t*>(offsets), trailer.documents + 1};
  return cache;
}

TokenCacheWriter::TokenCacheWriter(const io::fs::path& path, uint64_t key) : file_(path), key_(key) {
  write(kMagic.data(), kMagic.size());
}

void TokenCacheWriter::write(const void* data, size_t size) {
  hash_.add(data, size);
  file_.write(data, size);
}

void TokenCacheWriter::add_document(std::span<const int32_t> ids) {
  if (ids.empty()) return;
  write(ids.data(), ids.size_bytes());
  offsets_.push_back(offsets_.back() + ids.size());
}

void TokenCacheWriter::commit() {
  constexpr int32_t zero = 0;
  write(&zero, padding(tokens()));
  write(offsets_.data(), offsets_.size() * sizeof(uint64_t));
  Trailer trailer{TokenCache::kVersion, key_, tokens(), offsets_.size() - 1, 0};
  hash_.add(&trailer, kChecked);
  trailer.checksum = hash_.value();
  file_.write(&trailer, sizeof trailer);
  file_.commit();
}

}  // namespace saobp::data
