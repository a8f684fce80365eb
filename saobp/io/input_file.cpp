#include "saobp/io/input_file.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "saobp/io/error.h"

namespace saobp::io {

class InputFile::Decoder {
 public:
  virtual ~Decoder() = default;
  virtual const char* name() const = 0;
  // The stream so far is complete: the file may end here, or another stream begin.
  bool between_streams = false;
  // Takes some of `input` and writes some of `output`, both of which it moves forward. Gives what is wrong, or nullptr.
  virtual const char* decode(std::span<const std::byte>& input, std::span<char>& output) = 0;
};

namespace {

class GzipDecoder : public InputFile::Decoder {
 public:
  GzipDecoder() {
    constexpr int kLargestWindow = 15, kGzipOnly = 16;
    if (::inflateInit2(&stream_, kLargestWindow + kGzipOnly) != Z_OK) fail("zlib cannot be set up");
  }
  ~GzipDecoder() override { ::inflateEnd(&stream_); }
  const char* name() const override { return "gzip"; }

  const char* decode(std::span<const std::byte>& input, std::span<char>& output) override {
    constexpr size_t kMost = std::numeric_limits<uInt>::max();
    if (between_streams) ::inflateReset(&stream_);
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input.data()));
    stream_.avail_in = static_cast<uInt>(std::min(input.size(), kMost));
    stream_.next_out = reinterpret_cast<Bytef*>(output.data());
    stream_.avail_out = static_cast<uInt>(std::min(output.size(), kMost));
    const int status = ::inflate(&stream_, Z_NO_FLUSH);
    input = input.subspan(static_cast<size_t>(stream_.next_in - reinterpret_cast<const Bytef*>(input.data())));
    output = output.subspan(static_cast<size_t>(stream_.next_out - reinterpret_cast<Bytef*>(output.data())));
    between_streams = status == Z_STREAM_END;
    if (status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR) return nullptr;
    if (status == Z_NEED_DICT) return "it needs a dictionary";
    return stream_.msg ? stream_.msg : ::zError(status);
  }

 private:
  z_stream stream_{};
};

class ZstdDecoder : public InputFile::Decoder {
 public:
  ZstdDecoder() {
    // Frames made with --long need a larger window than is allowed by default; memory is taken only for these.
    if (!stream_ || ::ZSTD_isError(::ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kLargestWindowLog)))
      fail("zstd cannot be set up");
  }
  const char* name() const override { return "zstd"; }

  const char* decode(std::span<const std::byte>& input, std::span<char>& output) override {
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    ZSTD_outBuffer out{output.data(), output.size(), 0};
    const size_t left = ::ZSTD_decompressStream(stream_.get(), &out, &in);
    input = input.subspan(in.pos);
    output = output.subspan(out.pos);
    between_streams = left == 0;
    return ::ZSTD_isError(left) ? ::ZSTD_getErrorName(left) : nullptr;
  }

 private:
  static constexpr int kLargestWindowLog = 31;
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ::ZSTD_freeDStream(stream); }
  };
  std::unique_ptr<ZSTD_DStream, Free> stream_{::ZSTD_createDStream()};
};

// Files that are often met and not read.
struct OtherFormat {
  std::string_view start;
  const char *name, *advice;
};
constexpr OtherFormat kOtherFormats[] = {
    {"\xFD"
     "7zXZ",
     "xz", "unpack it with xz -d"},
    {"BZh", "bzip2", "unpack it with bzip2 -d"},
    {"PK\x03\x04", "zip", "unpack it with unzip"},
};

std::unique_ptr<InputFile::Decoder> decoder_for(const fs::path& path, std::string_view text) {
  if (text.starts_with("\x1F\x8B")) return std::make_unique<GzipDecoder>();
  uint32_t magic = 0;
  if (text.size() >= sizeof magic) std::memcpy(&magic, text.data(), sizeof magic);
  // Parallel compressors put a skippable frame at the front.
  if (magic == ZSTD_MAGICNUMBER || (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START)
    return std::make_unique<ZstdDecoder>();
  for (const auto& [start, name, advice] : kOtherFormats)
    if (text.starts_with(start))
      fail(path.string(), ": is a ", name, " file; text, JSON lines, gzip or zstd was expected (", advice, ")");
  const auto extension = path.extension();
  if ((extension == ".gz" || extension == ".zst") && text.size() < sizeof magic)
    fail(path.string(), ": byte offset ", text.size(), ": the file is cut short; its name says that it is compressed");
  return nullptr;
}

}  // namespace

InputFile::InputFile(const fs::path& path) : file_(path), decoder_(decoder_for(path, file_.text())) {}
InputFile::InputFile(InputFile&&) noexcept = default;
InputFile::~InputFile() = default;

size_t InputFile::read(std::string& out, size_t size) {
  auto input = file_.bytes().subspan(position_);
  if (!decoder_) {
    size = std::min(size, input.size());
    out.append(reinterpret_cast<const char*>(input.data()), size);
    position_ += size;
    return size;
  }
  const size_t before = out.size();
  out.resize(before + size);
  std::span<char> output(out.data() + before, size);
  while (!output.empty() && !(input.empty() && decoder_->between_streams)) {
    const size_t room = output.size(), left = input.size();
    const char* damage = decoder_->decode(input, output);
    position_ = file_.bytes().size() - input.size();
    if (damage)
      fail(file_.path().string(), ": byte offset ", position_, ": the ", decoder_->name(),
           " stream is damaged: ", damage);
    if (output.size() == room && input.size() == left)
      fail(file_.path().string(), ": byte offset ", position_, ": the ", decoder_->name(),
           " stream ends too early; the file is cut short");
  }
  out.resize(before + size - output.size());
  return size - output.size();
}

}  // namespace saobp::io
