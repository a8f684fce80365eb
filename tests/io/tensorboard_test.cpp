#include "saobp/io/tensorboard.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <limits>
#include <optional>

#include "saobp/io/file.h"
#include "saobp/io/json.h"
#include "tests/tools.h"

namespace saobp::io {
namespace {

using tests::error_of;
using tests::TempFolder;

TEST(TensorBoard, ChecksumsOfRfc3720) {
  const auto of = [](const std::string& text) { return crc32c(text); };
  EXPECT_EQ(of(""), 0u);
  EXPECT_EQ(of("123456789"), 0xE3069283u);
  EXPECT_EQ(of(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(of(std::string(32, '\xFF')), 0x62A8AB43u);
}

// {tag: [[step, value], …]} as the tensorboard package reads it; nothing where that is not installed.
std::optional<Json> read_by_tensorboard(const fs::path& folder) {
  const std::string command = ".venv/bin/python tests/io/read_events.py '" + folder.string() + "' 2>/dev/null";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::string text;
  char buffer[4096];
  while (size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, got);
  const int status = ::pclose(pipe);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (code == 77 || code == 127) return {};
  EXPECT_EQ(code, 0) << command;
  return parse_json(text, command);
}

#define READ_OR_SKIP(name, folder)                                                       \
  const auto read_##name = read_by_tensorboard(folder);                                  \
  if (!read_##name) GTEST_SKIP() << "the tensorboard package is not installed in .venv"; \
  const Json& name = *read_##name

TEST(TensorBoard, ItsOwnReaderFindsEveryScalar) {
  TempFolder folder;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const int64_t late = int64_t{1} << 40;
  {
    TensorBoardWriter writer(folder / "run");
    writer.write(0, {{"loss", 5.5}, {"attention/B/layer 0, größe", -1e-8}});
    writer.write(300, {{"loss", 0.1}});
    writer.write(late, {{"loss", nan}, {"", 1}});
    // What is written can be read before the writer goes.
    READ_OR_SKIP(events, folder / "run");
    EXPECT_EQ(events.size(), 3u) << events;
    EXPECT_EQ(events["loss"].size(), 3u);
    EXPECT_EQ(events["loss"][0], Json({0, 5.5}));
    EXPECT_EQ(events["loss"][1], Json({300, static_cast<double>(0.1f)}));
    EXPECT_EQ(events["loss"][2], Json({late, "nan"}));
    EXPECT_EQ(events["attention/B/layer 0, größe"][0][1], static_cast<double>(-1e-8f));
  }
}

TEST(TensorBoard, AResumedRunTakesBackTheStepsAfterItsCheckpoint) {
  TempFolder folder;
  for (int64_t resumed : {0, 2, 3}) {  // all within one second
    TensorBoardWriter writer(folder.path(), resumed);
    for (int64_t step = resumed + 1; step <= 4; ++step)
      writer.write(step, {{"loss", static_cast<double>(10 * resumed + step)}});
  }
  READ_OR_SKIP(events, folder.path());
  EXPECT_EQ(events["loss"], Json({{1, 1.0}, {2, 2.0}, {3, 23.0}, {4, 34.0}}));
}

TEST(TensorBoard, ADamagedTailIsLeftOut) {
  TempFolder folder;
  fs::path path;
  {
    TensorBoardWriter writer(folder.path());
    for (int64_t step : {1, 2}) writer.write(step, {{"loss", static_cast<double>(step)}});
    path = writer.path();
  }
  fs::resize_file(path, fs::file_size(path) - 3);
  READ_OR_SKIP(events, folder.path());
  EXPECT_EQ(events["loss"], Json({{1, 1.0}}));
}

TEST(TensorBoard, SaysWhyItCannotWrite) {
  TempFolder folder;
  const auto file = folder.write("file", "");
  EXPECT_EQ(error_of([&] { TensorBoardWriter writer(file); }).find(file + ": this folder cannot be made"), 0u);
}

}  // namespace
}  // namespace saobp::io
