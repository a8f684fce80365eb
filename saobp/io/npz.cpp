#include "saobp/io/npz.h"

#include <zlib.h>

#include <algorithm>
#include <utility>

#include "saobp/io/error.h"
#include "saobp/io/npy.h"
#include "saobp/io/words.h"

namespace saobp::io {
namespace {

constexpr uint64_t kLimit = 0xFFFFFFFF;

// Little endian fields of a ZIP header.
class Fields {
 public:
  Fields& u16(uint64_t value) { return put(value, 2); }
  Fields& u32(uint64_t value) { return put(value, 4); }
  Fields& text(const std::string& value) {
    bytes_ += value;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  Fields& put(uint64_t value, int width) {
    for (int i = 0; i < width; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xFF);
    return *this;
  }
  std::string bytes_;
};

// What the local header and the directory say alike: version 2.0, no flags, stored, 1 January 1980 as it does not
// depend on when, CRC, sizes, length of the name, no extra field.
Fields& common(Fields& fields, uint32_t crc, uint32_t size, const std::string& name) {
  return fields.u16(20).u16(0).u16(0).u16(0).u16(0x21).u32(crc).u32(size).u32(size).u16(name.size()).u16(0);
}

}  // namespace

NpzFile::NpzFile(fs::path path) : path_(path), file_(std::move(path)) {}

void NpzFile::add(const std::string& name, const std::string& descr, const std::vector<int64_t>& shape,
                  std::span<const std::byte> bytes) {
  const std::string header = npy_header(descr, shape);
  const uint64_t size = header.size() + bytes.size();
  if (written_ + size + 1024 > kLimit || entries_.size() >= 0xFFFF)
    fail(path_.string(), ": would be larger than 4 GiB with ", name, " of ", size_in_words(static_cast<double>(size)),
         "; fewer sequences, shorter ones, or float16 were expected");
  auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(header.data()), header.size());
  crc = crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  const Entry entry{name + ".npy", static_cast<uint32_t>(crc), static_cast<uint32_t>(size),
                    static_cast<uint32_t>(written_)};
  Fields local;
  common(local.u32(0x04034b50), entry.crc, entry.size, entry.name).text(entry.name);
  file_.write(local.bytes());
  file_.write(header);
  file_.write(bytes.data(), bytes.size());
  written_ += local.bytes().size() + size;
  entries_.push_back(entry);
}

void NpzFile::add(const std::string& name, std::vector<std::u32string> texts) {
  size_t longest = 1;
  for (const auto& text : texts) longest = std::max(longest, text.size());
  std::u32string all;
  for (auto& text : texts) {
    text.resize(longest);  // with zeros, as NumPy does
    all += text;
  }
  add(name, concat("<U", longest), {static_cast<int64_t>(texts.size())}, std::as_bytes(std::span(all)));
}

void NpzFile::commit() {
  Fields directory;
  for (const auto& entry : entries_) {
    common(directory.u32(0x02014b50).u16(20), entry.crc, entry.size, entry.name);
    directory.u16(0).u16(0).u16(0).u32(0).u32(entry.offset).text(entry.name);
  }
  Fields end;
  end.u32(0x06054b50).u16(0).u16(0).u16(entries_.size()).u16(entries_.size());
  end.u32(directory.bytes().size()).u32(written_).u16(0);
  file_.write(directory.bytes());
  file_.write(end.bytes());
  file_.commit();
}

}  // namespace saobp::io
