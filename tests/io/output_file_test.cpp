#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <future>
#include <thread>

#include "saobp/io/file.h"
#include "saobp/io/partial.h"
#include "saobp/io/paths.h"
#include "tests/tools.h"

namespace saobp::io {
namespace {

using tests::error_of;

class Output : public testing::Test {
 protected:
  // Names in the folder, sorted.
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_.path())) found.push_back(entry.path().filename());
    std::sort(found.begin(), found.end());
    return found;
  }
  fs::path link(const std::string& name, const fs::path& to) const {
    fs::create_symlink(to, folder_ / name);
    return folder_ / name;
  }
  static mode_t mode_of(const fs::path& path) {
    struct stat status{};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 07777;
  }

  tests::TempFolder folder_;
};

// A process that is no more.
pid_t dead_process() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return child;
}

TEST_F(Output, TheFileBehindALinkIsReplacedAndTheLinkStays) {
  folder_.write("real/kept.txt", "old");
  const auto first = link("first", "second"), second = link("second", "real/kept.txt");
  write_file(first, "new");
  EXPECT_TRUE(fs::is_symlink(first) && fs::is_symlink(second));
  EXPECT_EQ(read_file(folder_ / "real/kept.txt"), "new");
  EXPECT_EQ(names(), (std::vector<std::string>{"first", "real", "second"}));
}

TEST_F(Output, ALinkThatLeadsNowhereGetsItsFile) {
  const auto dangling = link("dangling", "later.txt");
  write_file(dangling, "made");
  EXPECT_TRUE(fs::is_symlink(dangling));
  EXPECT_EQ(read_file(folder_ / "later.txt"), "made");
  EXPECT_TRUE(error_of([&] {
                write_file(link("lost", "nowhere/later.txt"), "x");
              }).ends_with("lost: cannot be created: No such file or directory"));
  link("round", "about");
  EXPECT_TRUE(error_of([&] {
                write_file(link("about", "round"), "x");
              }).ends_with("its symbolic links lead round in a circle"));
}

TEST_F(Output, PermissionsAreThoseOfTheFileThatIsReplacedOrTheUmasks) {
  const fs::path path = folder_.write("private.txt", "old");
  for (const mode_t mode : {0600, 0664, 0444}) {
    ::chmod(path.c_str(), mode);
    AtomicFile file(path);
    file.write("new");
    EXPECT_EQ(mode_of(partial_path(path)), mode);  // from the start
    file.commit();
    EXPECT_EQ(mode_of(path), mode);
  }
  const mode_t before = ::umask(027);
  write_file(folder_ / "fresh.txt", "x");
  ::umask(before);
  EXPECT_EQ(mode_of(folder_ / "fresh.txt"), 0640);
  if (::geteuid() != 0) return;
  EXPECT_EQ(::chown(path.c_str(), 12345, 54321), 0);
  write_file(path, "newer");
  struct stat status{};
  ::stat(path.c_str(), &status);
  EXPECT_EQ(status.st_uid, 12345u);
  EXPECT_EQ(status.st_gid, 54321u);
}

TEST_F(Output, ADeviceIsWrittenInPlace) {
  write_file(link("null", "/dev/null"), "swallowed");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_EQ(error_of([] { write_file("/dev/full", std::string(1 << 20, 'x')); }),
            "/dev/full: cannot be written: No space left on device");
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
  EXPECT_EQ(error_of([&] { write_file(folder_.path(), "x"); }),
            folder_.path().string() + ": is a folder; a file was expected");
  EXPECT_EQ(names(), (std::vector<std::string>{"null"}));
}

TEST_F(Output, APipeIsWrittenToWhenItsReaderComes) {
  const fs::path path = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  auto reading = std::async(std::launch::async, [&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    return read_file(path);
  });
  write_file(path, "through the pipe");
  EXPECT_EQ(reading.get(), "through the pipe");
  EXPECT_TRUE(fs::is_fifo(path));
  EXPECT_EQ(names(), (std::vector<std::string>{"pipe"}));
}

TEST_F(Output, ADescriptorIsWrittenWhereItStands) {
  const fs::path path = folder_.write("log.txt", "before\n");
  const int file = ::open(path.c_str(), O_WRONLY | O_APPEND);
  write_file(concat("/dev/fd/", file), "one\n");
  write_file(link("descriptor", concat("/proc/self/fd/", file)), "two\n");
  ::close(file);
  EXPECT_EQ(read_file(path), "before\none\ntwo\n");
  EXPECT_NE(error_of([&] { write_file(concat("/dev/fd/", file), "x"); }).find("Bad file descriptor"),
            std::string::npos);
  EXPECT_TRUE(is_standard_output("/dev/stdout"));
  EXPECT_TRUE(is_standard_output("/dev/fd/1"));
  EXPECT_FALSE(is_standard_output("/dev/stderr") || is_standard_output(path) || is_standard_output(""));
}

TEST_F(Output, AClosedStandardOutputIsNoFailure) {
  EXPECT_EXIT(
      {
        std::signal(SIGPIPE, SIG_IGN);
        int ends[2];
        ::close(::pipe(ends) == 0 ? ends[0] : -1);
        ::dup2(ends[1], STDOUT_FILENO);
        try {
          write_file("/dev/stdout", "unwanted");
        } catch (const OutputClosed&) {
          ::_exit(7);
        }
      },
      testing::ExitedWithCode(7), "");
}

TEST_F(Output, WhatKilledWritersLeftOfTheTargetIsSwept) {
  const std::string dead = std::to_string(dead_process());
  for (const auto& left : {"a.txt.partial-" + dead, "b.txt.partial-" + dead, concat("a.txt.partial-", ::getpid()),
                           concat("a.txt.partial-1"), concat("a.txt.partial-"), concat("a.txt.partial-7x")})
    folder_.write(left, "half");
  write_file(folder_ / "a.txt", "whole");
  // Not another target's, not a living process's, not what only looks like it.
  EXPECT_EQ(names(), (std::vector<std::string>{"a.txt", "a.txt.partial-", "a.txt.partial-1", "a.txt.partial-7x",
                                               "b.txt.partial-" + dead}));
  fs::create_directories(folder_ / ("c.partial-" + dead) / "deep");
  sweep_partial(folder_.path());
  EXPECT_EQ(names(), (std::vector<std::string>{"a.txt", "a.txt.partial-", "a.txt.partial-1", "a.txt.partial-7x"}));
}

TEST_F(Output, WhatSomeoneHasLockedIsNotSwept) {
  // As a writer on another host, whose number means nothing here.
  const std::string name = concat("a.txt.partial-", dead_process());
  const int file = ::open(folder_.write(name, "being written").c_str(), O_WRONLY);
  ASSERT_EQ(::flock(file, LOCK_EX), 0);
  write_file(folder_ / "a.txt", "whole");
  EXPECT_EQ(names(), (std::vector<std::string>{"a.txt", name}));
  ::close(file);
  write_file(folder_ / "a.txt", "whole");
  EXPECT_EQ(names(), (std::vector<std::string>{"a.txt"}));
}

TEST_F(Output, AFolderIsReplacedBehindItsLink) {
  folder_.write("real/old.txt", "old");
  ::chmod((folder_ / "real").c_str(), 0700);
  const auto path = link("best", "real");
  fs::create_directories(folder_ / concat("real.partial-", dead_process()));
  for (const auto& target : {path, folder_ / "fresh/"}) {
    PartialFolder folder(target);
    write_file(folder.path() / "new.txt", "new");
    EXPECT_FALSE(fs::exists(target / "new.txt"));
    folder.commit();
    EXPECT_EQ(read_file(target / "new.txt"), "new");
  }
  EXPECT_FALSE(fs::exists(folder_ / "real/old.txt"));
  EXPECT_EQ(mode_of(folder_ / "real"), 0700);
  {
    PartialFolder uncommitted(path);
  }
  EXPECT_EQ(names(), (std::vector<std::string>{"best", "fresh", "real"}));
  EXPECT_TRUE(fs::is_symlink(path));
}

TEST_F(Output, AnInputIsNotReplaced) {
  const fs::path input = folder_.write("in.txt", "input"), other = folder_.write("other.txt", "");
  fs::create_hard_link(input, folder_ / "hard");
  for (const fs::path& output : {input, folder_ / "./in.txt", folder_ / "hard", link("soft", "in.txt")}) {
    const auto error = error_of([&] { require_not_input(output, "--output", {other, input}); });
    EXPECT_TRUE(error.starts_with("usage: --output " + output.string() + ": this would replace ")) << error;
  }
  for (const fs::path& output : {folder_ / "new.txt", fs::path("/dev/null"), fs::path(""), folder_.path()})
    EXPECT_EQ(error_of([&] { require_not_input(output, "--output", {input, "/dev/null", folder_.path(), "gone"}); }),
              "no error");
  EXPECT_TRUE(same_file(folder_ / "new.txt", folder_ / "x/../new.txt"));
  EXPECT_TRUE(same_file(folder_ / "new.txt", link("early", "new.txt")));
  EXPECT_FALSE(same_file(folder_ / "new.txt", folder_ / "newer.txt"));
}

}  // namespace
}  // namespace saobp::io
