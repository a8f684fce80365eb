#include "saobp/io/npz.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "tests/tools.h"

namespace saobp::io {
namespace {

// What NumPy reads is held against what was written by tests/integration/matrices_test.py; here is what a ZIP reader
// checks.
TEST(Npz, IsAZipArchiveOfArrays) {
  const tests::TempFolder folder;
  const auto path = folder.path() / "a.npz";
  NpzFile file(path);
  const std::vector<float> numbers = {1, 2.5, -3};
  file.add("numbers", "<f4", {3}, std::as_bytes(std::span(numbers)));
  file.add("texts", {U"tom", U"häß"});
  EXPECT_FALSE(fs::exists(path));  // nothing is there before it is whole
  file.commit();
  const auto bytes = read_file(path);
  EXPECT_TRUE(bytes.starts_with("PK\x03\x04"));
  EXPECT_NE(bytes.find("numbers.npy"), std::string::npos);
  EXPECT_NE(bytes.find("'descr': '<U3'"), std::string::npos);
  EXPECT_EQ(bytes.substr(bytes.size() - 22, 4), std::string("PK\x05\x06"));
}

TEST(Npz, LeavesNothingBehindWhenItIsNotFinished) {
  const tests::TempFolder folder;
  {
    NpzFile file(folder.path() / "a.npz");
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

}  // namespace
}  // namespace saobp::io
