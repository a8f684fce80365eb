#include "saobp/io/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <future>

#include "saobp/io/error.h"

namespace saobp::io {
namespace {

// As the program has it: writing to a pipe without a reader is an error, not the end.
[[maybe_unused]] const auto g_ignored = std::signal(SIGPIPE, SIG_IGN);

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

TEST(File, APlaceThatIsNoneIsAnError) {
  EXPECT_NE(error_of([] { write_file("/proc/nothing-here", "x"); }).find("cannot be created"), std::string::npos);
}

TEST(File, WhatIsReadWholeHasABound) {
  const auto path = fs::path(testing::TempDir()) / "large.json";
  write_file(path, "0123456789");
  EXPECT_EQ(read_file(path, 10), "0123456789");
  EXPECT_EQ(error_of([&] { read_file(path, 9); }),
            path.string() + ": has 10 bytes; at most 9 were expected of such a file");
  fs::resize_file(path, kLargestDocument + 1);  // takes no room on the disk
  EXPECT_NE(error_of([&] { read_file(path, kLargestDocument); }).find("at most 1073741824 were"), std::string::npos);
  fs::remove(path);
  EXPECT_EQ(error_of([] { read_file("/dev/zero"); }), "/dev/zero: is a device; a file was expected");
  EXPECT_EQ(error_of([] { MappedFile{"/dev/zero"}; }), "/dev/zero: is a device; a file was expected");
}

TEST(File, APipeIsReadToItsEnd) {
  const auto path = fs::path(testing::TempDir()) / "pipe";
  fs::remove(path);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { MappedFile{path}; }), path.string() + ": is a pipe; a file was expected");
  const std::string text(1 << 20, 'x');
  auto writing = std::async(std::launch::async, [&] { write_file(path, text); });
  EXPECT_EQ(read_file(path), text);
  writing.get();
  auto endless = std::async(std::launch::async, [&] { return error_of([&] { write_file(path, text); }); });
  EXPECT_EQ(error_of([&] { read_file(path, 1000); }),
            path.string() + ": has more than 1000 bytes, the most that was expected of such a file");
  EXPECT_NE(endless.get().find("Broken pipe"), std::string::npos);
}

TEST(MappedFileDeathTest, AFileThatIsCutShortUnderItsMapEndsInOneLine) {
  const auto path = fs::path(testing::TempDir()) / "mapped.bin";
  write_file(path, std::string(1 << 20, 'x'));
  EXPECT_EXIT(
      {
        const MappedFile file(path);
        fs::resize_file(path, 10);
        volatile char last = file.text().back();
        static_cast<void>(last);
      },
      testing::ExitedWithCode(1), "^saobp: .*mapped.bin: cannot be read any more: it was cut short[^\n]*\n$");
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
