#include "saobp/train/run_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "saobp/recipes/run_frame.h"
#include "saobp/train/interrupt.h"
#include "saobp/train/run_folder.h"
#include "tests/tools.h"

namespace saobp::recipes {
namespace {

using tests::error_of;
using tests::TempFolder;

std::string this_process() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  return concat("process ", ::getpid(), " on ", host);
}

TEST(RunLock, OneHasItUntilItEnds) {
  const train::InterruptGuard guard;  // whatever signals came before
  TempFolder folder;
  EXPECT_FALSE(train::holder_of(folder.path())) << "there is no lock file";
  {
    train::RunLock first(folder.path());
    EXPECT_FALSE(train::holder_of(folder.path())) << "not taken yet";
    EXPECT_TRUE(first.take());
    EXPECT_TRUE(first.missing().empty());
    train::RunLock moved(std::move(first)), second(folder.path());
    EXPECT_FALSE(second.take());
    EXPECT_EQ(train::holder_of(folder.path()), this_process());
    const auto error = error_of([&] { train::lock_run(folder.path(), train::World(), 0, {}); });
    EXPECT_EQ(error, folder.path().string() + ": " + this_process() +
                         " trains in this folder; only one can at a time: end it, or wait for its end");
    EXPECT_EQ(
        error_of([&] { refuse_existing(folder.path()); }),
        folder.path().string() + ": exists already, and " + this_process() + " trains in it; choose another --output");
  }
  EXPECT_FALSE(train::holder_of(folder.path()));
  EXPECT_TRUE(train::lock_run(folder.path(), train::World(), 0, {}));
}

TEST(RunLock, ItDiesWithItsProcess) {
  TempFolder folder;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    train::RunLock lock(folder.path());
    const char taken = lock.take() ? 'y' : 'n';
    if (::write(ready[1], &taken, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char taken = 0;
  ASSERT_EQ(::read(ready[0], &taken, 1), 1);
  EXPECT_EQ(taken, 'y');
  train::RunLock lock(folder.path());
  EXPECT_FALSE(lock.take());
  EXPECT_EQ(train::holder_of(folder.path())->find(concat("process ", child, " on ")), 0u);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(lock.take());
}

TEST(RunLock, AnUnreadableNoteIsAnotherProcess) {
  TempFolder folder;
  train::RunLock lock(folder.path());
  ASSERT_TRUE(lock.take());
  for (const char* note : {"", "{", "[]", "{\"process\": \"7\", \"host\": \"a\"}", "{\"process\": 7}"}) {
    folder.write(".lock", note);
    EXPECT_EQ(train::holder_of(folder.path()), "another process") << note;
  }
}

TEST(RunLock, AFolderThatIsNoLongerThereIsNoticed) {
  TempFolder folder;
  const auto run = folder / "run", elsewhere = folder / "elsewhere";
  fs::create_directories(run);
  train::RunLock lock(run);
  ASSERT_TRUE(lock.take());
  EXPECT_EQ(error_of([&] { lock.require_in_place(); }), "no error");
  fs::rename(run, elsewhere);
  EXPECT_EQ(error_of([&] { lock.require_in_place(); }).find(run.string() + ": this folder, or .lock in it, was moved"),
            0u);
  fs::create_directories(run);  // another one of that name
  EXPECT_EQ(error_of([&] { lock.require_in_place(); }).find(run.string() + ": this folder, or .lock in it, was moved"),
            0u);
  lock.moved_to(elsewhere);
  EXPECT_EQ(error_of([&] { lock.require_in_place(); }), "no error");
  fs::remove(elsewhere / ".lock");
  EXPECT_EQ(
      error_of([&] { lock.require_in_place(); }).find(elsewhere.string() + ": this folder, or .lock in it, was moved"),
      0u);
  fs::remove_all(elsewhere);
  EXPECT_EQ(
      error_of([&] { lock.require_in_place(); }).find(elsewhere.string() + ": this folder, or .lock in it, was moved"),
      0u);
}

TEST(RunLock, AFolderThatCannotBeLockedIsNamed) {
  TempFolder folder;
  EXPECT_EQ(error_of([&] { train::RunLock(folder / "nowhere"); }),
            (folder / "nowhere").string() + ": this folder cannot be opened: No such file or directory");
  fs::create_directories(folder / "run" / ".lock");
  EXPECT_EQ(error_of([&] { train::RunLock(folder / "run"); }),
            (folder / "run" / ".lock").string() + ": cannot be opened for writing: Is a directory");
}

TEST(RunFolder, NamesWithoutASlash) {
  EXPECT_EQ(folder_name("runs/x/"), "runs/x");
  EXPECT_EQ(folder_name("runs/x//"), "runs/x");
  EXPECT_EQ(folder_name("runs/x/./"), "runs/x");
  EXPECT_EQ(folder_name("x/."), "x");
  for (const char* name : {"runs/x", "x", ".", "/", "/x", "..", ""}) EXPECT_EQ(folder_name(name), name);
}

TEST(RunFolder, ANewOneTakesNoOthersPlace) {
  TempFolder folder;
  const auto make = [&](const char* text) {
    return train::make_new_folder(folder / "run", [&](const fs::path& aside) { io::write_file(aside / "file", text); });
  };
  EXPECT_TRUE(make("first"));
  EXPECT_FALSE(make("second"));
  EXPECT_EQ(io::read_file(folder / "run" / "file"), "first");
  folder.write("taken", "a file");
  EXPECT_FALSE(train::make_new_folder(folder / "taken", [](const fs::path&) {}));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 2) << "nothing is left aside";
}

}  // namespace
}  // namespace saobp::recipes
