#include "saobp/io/sealed_json.h"

#include "saobp/io/hash.h"

namespace saobp::io {
namespace {

constexpr const char *kSeal = "checksum", *kFiles = "checksums";
constexpr std::string_view kNoDigits = "0000000000000000";

uint64_t hash_of(std::string_view text) {
  Hash64 hash;
  hash.add(text);
  return hash.value();
}

// What is sealed: the text without the digits of the last member.
std::string unsealed_text(std::string text, const std::string& digits, const std::string& source) {
  const size_t at = text.rfind('"' + digits + '"');
  if (digits.size() != kNoDigits.size() || at == std::string::npos)
    fail(source, ": \"", kSeal, "\" is \"", digits, "\"; 16 hexadecimal digits were expected");
  return text.replace(at + 1, kNoDigits.size(), kNoDigits);
}

void require_file(const fs::path& path, const std::string& written) {
  const MappedFile file(path);
  if (const auto found = hexadecimal(hash_of(file.text())); found != written)
    fail(path.string(), ": is damaged or another file: its checksum is ", found, ", that of what was written is ",
         written);
}

}  // namespace

void write_sealed_json(const fs::path& path, Json json, const Checksums& files) {
  auto& sums = json[kFiles] = Json::object();
  for (const auto& [name, hash] : files) sums[name] = hexadecimal(hash);
  json[kSeal] = kNoDigits;
  const auto text = json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  const auto digits = hexadecimal(hash_of(text));
  write_file(path, std::string(text).replace(text.rfind(kNoDigits), kNoDigits.size(), digits));
}

SealedJson read_sealed_json(const fs::path& path) {
  const std::string source = path.string(), text = read_file(path);
  SealedJson read{parse_json(text, source), false};
  if (!read.json.is_object()) fail(source, ": found ", type_name(read.json), "; an object was expected");
  if (!read.json.contains(kSeal) && !read.json.contains(kFiles)) return read;
  const auto digits = require<std::string>(read.json, kSeal, source);
  if (const auto found = hexadecimal(hash_of(unsealed_text(text, digits, source))); found != digits)
    fail(source, ": is damaged: its checksum is ", found, ", that of what was written is ", digits);
  for (const auto& [name, sum] : require<std::map<std::string, std::string>>(read.json, kFiles, source))
    require_file(path.parent_path() / name, sum);
  read.json.erase(kSeal);
  read.json.erase(kFiles);
  read.sealed = true;
  return read;
}

}  // namespace saobp::io
