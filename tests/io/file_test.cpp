#include "saobp/io/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "saobp/io/error.h"

namespace saobp::io {
namespace {

template <class F>
std::string error_of(F&& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(File, SaysWhatIsMissing) {
  EXPECT_EQ(error_of([] { read_file("/no/such/file"); }), "/no/such/file: cannot be opened: No such file or directory");
  EXPECT_NE(error_of([] { read_file(testing::TempDir()); }).find("is a folder"), std::string::npos);
}

TEST(File, AnUncommittedFileLeavesTheOldOne) {
  auto path = fs::path(testing::TempDir()) / "kept.txt";
  write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("new");
  }
  EXPECT_EQ(read_file(path), "old");
  write_file(path, "new");
  EXPECT_EQ(read_file(path), "new");
  for (const auto& entry : fs::directory_iterator(testing::TempDir()))
    EXPECT_EQ(entry.path().string().find(".partial-"), std::string::npos) << entry.path();
}

TEST(File, AFullDiskIsAnError) {
  // /dev/full refuses every write; the file aside of it can't even be made, so the name is what is checked here.
  EXPECT_NE(error_of([] { write_file("/proc/nothing-here", "x"); }).find("cannot be created"), std::string::npos);
}

TEST(File, AnAppendedRecordThatDoesNotFitIsTakenBack) {
  const auto path = fs::path(testing::TempDir()) / "log.txt";
  fs::remove(path);
  AppendedFile log(path, AppendedFile::Open::new_only);
  log.append("first\n");
  // A file may not grow beyond eight bytes: two of the next record fit.
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{8, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const auto error = error_of([&] { log.append("second\n"); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(error, path.string() + ": cannot be written: File too large");
  EXPECT_EQ(read_file(path), "first\n");
  log.append("third\n");
  EXPECT_EQ(read_file(path), "first\nthird\n");
  EXPECT_EQ(error_of([&] { AppendedFile again(path, AppendedFile::Open::new_only); }),
            path.string() + ": cannot be opened for writing: File exists");
}

TEST(Utf8, NamesTheFirstBadByte) {
  EXPECT_NO_THROW(require_utf8("ascii, \xC3\xA9, \xE2\x82\xAC, \xF0\x9F\x98\x80", "t"));
  EXPECT_EQ(error_of([] { require_utf8("ok\nlong enough line \xFFx", "f.txt"); }),
            "f.txt: line 2, byte offset 20: invalid UTF-8 (byte 0xFF); UTF-8 text was expected");
  // Overlong, surrogate, above U+10FFFF, cut short.
  for (const char* bad : {"\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80"})
    EXPECT_NE(error_of([&] { require_utf8(bad, "f"); }), "no error") << bad;
}

}  // namespace
}  // namespace saobp::io
