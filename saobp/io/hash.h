// XXH64 (Yann Collet's published algorithm), over bytes given in pieces: for keys and checksums, not for secrets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace saobp::io {

class Hash64 {
 public:
  explicit Hash64(uint64_t seed = 0);
  void add(const void* data, size_t size);
  void add(std::string_view text) { add(text.data(), text.size()); }
  // Of everything added so far; more may follow.
  uint64_t value() const;

 private:
  uint64_t lanes_[4];
  unsigned char buffer_[32];
  size_t buffered_ = 0;
  uint64_t total_ = 0, seed_;
};

// 16 digits.
std::string hexadecimal(uint64_t value);

}  // namespace saobp::io
