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
  virtual const char* decode(std::span<const char>& input, std::span<char>& output) = 0;
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

  const char* decode(std::span<const char>& input, std::span<char>& output) override {
    constexpr size_t kMost = std::numeric_limits<uInt>::max();
    if (between_streams) ::inflateReset(&stream_);
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
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

  const char* decode(std::span<const char>& input, std::span<char>& output) override {
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
     "an xz", "unpack it with xz -d"},
    {"BZh", "a bzip2", "unpack it with bzip2 -d"},
    {"PK\x03\x04", "a zip", "unpack it with unzip"},
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
      fail(path.string(), ": is ", name, " file; text, JSON lines, gzip or zstd was expected (", advice, ")");
  if (has_compressed_name(path) && text.size() < sizeof magic)
    fail(path.string(), ": byte offset ", text.size(), ": the file is cut short; its name says that it is compressed");
  return nullptr;
}

constexpr size_t kStart = 4096, kBuffer = 1 << 20;

}  // namespace

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension();
  for (char& c : extension)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return extension;
}

bool has_compressed_name(const fs::path& path) {
  const auto extension = lower_extension(path);
  return extension == ".gz" || extension == ".gzip" || extension == ".zst" || extension == ".zstd";
}

InputFile::InputFile(const fs::path& path) : file_(path), buffer_(kStart) {
  input_ = {buffer_.data(), file_.read(buffer_.data(), kStart)};
  decoder_ = decoder_for(file_.name(), start());
}
InputFile::InputFile(InputFile&&) noexcept = default;
InputFile::~InputFile() = default;

void InputFile::refill() {
  buffer_.resize(kBuffer);
  input_ = {buffer_.data(), file_.read(buffer_.data(), kBuffer)};
}

size_t InputFile::read(std::string& out, size_t size) {
  const size_t before = out.size();
  out.resize(before + size);
  const std::span<char> output(out.data() + before, size);
  const size_t made = decoder_ ? decode(output) : take(output);
  out.resize(before + made);
  return made;
}

size_t InputFile::take(std::span<char> output) {
  const size_t ready = std::min(input_.size(), output.size());
  std::copy_n(input_.data(), ready, output.data());
  input_ = input_.subspan(ready);
  const size_t made = ready + file_.read(output.data() + ready, output.size() - ready);
  position_ += made;
  return made;
}

size_t InputFile::decode(std::span<char> output) {
  const size_t size = output.size();
  while (!output.empty()) {
    if (input_.empty()) refill();
    if (decoder_->between_streams && !input_.empty() && input_.front() == 0) {
      const auto rest = std::find_if(input_.begin(), input_.end(), [](char byte) { return byte != 0; });
      position_ += static_cast<uint64_t>(rest - input_.begin());
      input_ = {rest, input_.end()};
      continue;
    }
    if (decoder_->between_streams && input_.empty()) break;
    const size_t room = output.size(), left = input_.size();
    const char* damage = decoder_->decode(input_, output);
    position_ += left - input_.size();
    if (damage) fail(name(), ": byte offset ", position_, ": the ", decoder_->name(), " stream is damaged: ", damage);
    if (output.size() == room && input_.size() == left)
      fail(name(), ": byte offset ", position_, ": the ", decoder_->name(),
           " stream ends too early; the file is cut short");
  }
  return size - output.size();
}

}  // namespace saobp::io
