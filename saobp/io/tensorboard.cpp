#include "saobp/io/tensorboard.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <ctime>

#include "saobp/io/error.h"

namespace saobp::io {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "events.out.tfevents.";

// Bytes of a number, little endian, as both formats want it.
template <class T>
std::string fixed(T value) {
  static_assert(std::endian::native == std::endian::little);
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

// Protocol buffers: a field is a key, number · 8 + wire type, and what the wire type says.
std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string key(int number, int wire_type) { return varint(static_cast<uint64_t>(number) << 3 | wire_type); }
std::string integer_field(int number, int64_t value) { return key(number, 0) + varint(static_cast<uint64_t>(value)); }
std::string double_field(int number, double value) { return key(number, 1) + fixed(value); }
std::string bytes_field(int number, const std::string& value) { return key(number, 2) + varint(value.size()) + value; }
std::string float_field(int number, float value) { return key(number, 5) + fixed(value); }

// Event: wall_time = 1, step = 2, and one of file_version = 3, summary = 5, session_log = 7.
std::string event(int64_t step, const std::string& what) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return double_field(1, std::chrono::duration<double>(now).count()) + integer_field(2, step) + what;
}

// Later than the names that the folder has, so that this file is read after them even when a run goes on within the
// second in which it was stopped.
int64_t seconds_for_name(const fs::path& folder) {
  int64_t seconds = std::time(nullptr);
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(kPrefix))
      seconds = std::max<int64_t>(seconds, std::strtoll(name.c_str() + std::strlen(kPrefix), nullptr, 10) + 1);
  }
  return seconds;
}

}  // namespace

uint32_t crc32c(std::span<const char> data) {
  static constexpr auto table = [] {
    std::array<uint32_t, 256> entries{};
    for (uint32_t i = 0; i < 256; ++i) {
      entries[i] = i;
      for (int bit = 0; bit < 8; ++bit) entries[i] = entries[i] >> 1 ^ (entries[i] & 1 ? 0x82F63B78u : 0);
    }
    return entries;
  }();
  uint32_t crc = 0xFFFFFFFFu;
  for (char byte : data) crc = table[(crc ^ static_cast<unsigned char>(byte)) & 0xFF] ^ crc >> 8;
  return ~crc;
}

TensorBoardWriter::TensorBoardWriter(const fs::path& folder, int64_t last_step) {
  make_folder(folder);
  char host[256] = "unknown";
  ::gethostname(host, sizeof host - 1);
  const auto name = concat(kPrefix, seconds_for_name(folder), ".", host, ".", ::getpid());
  file_.emplace(folder / name, AppendedFile::Open::new_only);
  write_record(event(0, bytes_field(3, "brain.Event:2")));
  // SessionLog: status = 1, START = 1.
  if (last_step > 0) write_record(event(last_step + 1, bytes_field(7, integer_field(1, 1))));
}

void TensorBoardWriter::write(int64_t step, const Scalars& scalars) {
  std::string summary;
  // Summary: value = 1; Value: tag = 1, simple_value = 2.
  for (const auto& [tag, value] : scalars)
    summary += bytes_field(1, bytes_field(1, tag) + float_field(2, static_cast<float>(value)));
  write_record(event(step, bytes_field(5, summary)));
}

void TensorBoardWriter::write_record(const std::string& data) {
  // TFRecord: length, checksum of the length, data, checksum of the data; checksums are rotated and shifted, because
  // that of a text which contains checksums would be weak.
  const auto masked = [](std::span<const char> bytes) { return fixed(std::rotr(crc32c(bytes), 15) + 0xA282EAD8u); };
  const std::string length = fixed(static_cast<uint64_t>(data.size()));
  file_->append(length + masked(length) + data + masked(data));
}

}  // namespace saobp::io
