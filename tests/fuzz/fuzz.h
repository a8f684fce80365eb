// What the fuzz targets share. Each target is one LLVMFuzzerTestOneInput; what it may not do, whatever the input, is
// crash, leak, hang, take 512 MB, throw anything but saobp::Error, or break the promises that it states with require().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "saobp/io/file.h"

namespace saobp::fuzz {

// Ends the program, which libFuzzer takes for a finding, with the promise that was broken.
void require(bool kept, std::string_view promise);

// Calls `work`; false when it threw an Error. That must be one line of bounded length, in UTF-8 without control
// characters, as a user is shown it.
bool attempt(const std::function<void()>& work);

// The input cut at NUL bytes into `count` parts; parts that it has not are empty, the last one has the rest.
std::vector<std::string_view> parts(const uint8_t* data, size_t size, size_t count);
inline std::string_view whole(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

// A folder of this process, in memory where the system has such a place; emptied of nothing but what write() replaces.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  // The path of the file, which has the bytes; the name may hold folders.
  io::fs::path write(const std::string& name, std::string_view bytes) const;
  void remove(const std::string& name) const;
  io::fs::path operator/(const std::string& name) const { return path_ / name; }
  const io::fs::path& path() const { return path_; }

 private:
  io::fs::path path_;
};

}  // namespace saobp::fuzz
