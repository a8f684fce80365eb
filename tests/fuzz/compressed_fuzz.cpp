// Contents after one byte, which says what is done: the rest is read as a file (even), or compressed first, as gzip or
// zstd in one or several streams, and must be what is read again.
#include <zlib.h>
#include <zstd.h>

#include "saobp/io/input_file.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace saobp;

std::string gzip(std::string_view text, int level) {
  z_stream stream{};
  fuzz::require(::deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK, "zlib works");
  std::string out(::deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  fuzz::require(::deflate(&stream, Z_FINISH) == Z_STREAM_END, "zlib works");
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

std::string zstd(std::string_view text, int level) {
  std::string out(::ZSTD_compressBound(text.size()), '\0');
  const size_t size = ::ZSTD_compress(out.data(), out.size(), text.data(), text.size(), level);
  fuzz::require(!::ZSTD_isError(size), "zstd works");
  out.resize(size);
  return out;
}

// The contents in steps of `step` bytes; what a damaged file gives before the damage is not kept.
bool read(const io::fs::path& path, size_t step, std::string& out) {
  return fuzz::attempt([&] {
    io::InputFile file(path);
    size_t before = 0;
    while (const size_t got = file.read(out, step)) {
      fuzz::require(got <= step && out.size() == before + got, "as many bytes are added as are said");
      before = out.size();
      if (before > size_t{64} << 20) break;  // a small file may unpack to gigabytes: that is no fault
    }
    if (before <= size_t{64} << 20)
      fuzz::require(file.position() == file.size(), "a file that ends well was read whole");
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::Folder folder;
  if (size == 0) return 0;
  const unsigned how = data[0];
  const auto rest = fuzz::whole(data, size).substr(1);
  std::string text;
  if (how % 2 == 0) {
    read(folder.write("file", rest), size_t{1} << (4 + how / 2 % 16), text);
    return 0;
  }
  const auto pack = how / 2 % 2 ? gzip : zstd;
  const int level = static_cast<int>(how / 4 % 4);
  const size_t cut = how / 16 * rest.size() / 16;
  std::string packed = pack(rest.substr(0, cut), level) + pack(rest.substr(cut), level);
  const size_t step = 1 + how / 4;
  fuzz::require(read(folder.write("file", packed), step, text) && text == rest, "what was compressed is read");
  if (packed.size() > 8) {
    packed.pop_back();
    text.clear();
    fuzz::require(!read(folder.write("file", packed), step, text), "a file that is cut short is refused");
  }
  return 0;
}
