// What the tests of several rooms share.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "saobp/io/error.h"

namespace saobp::tests {

// A new folder that is removed with everything in it.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "saobp-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) fail(name, ": cannot be made");
    path_ = name;
  }
  TempFolder(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }

  // Writes a file, making its folders; gives its path.
  std::string write(const std::string& name, std::string_view text) const {
    const auto path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// The message of the Error that `call` throws, after "usage: " where it is the command's fault.
template <class F>
std::string error_of(F&& call) {
  try {
    call();
  } catch (const UsageError& e) {
    return std::string("usage: ") + e.what();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace saobp::tests
