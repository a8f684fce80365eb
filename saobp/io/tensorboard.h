// Event files that TensorBoard shows: TFRecord frames, each with one Event message of TensorFlow's event.proto.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "saobp/io/file.h"

namespace saobp::io {

// Tag and value. Tags that share what stands before their last '/' are grouped on one panel.
using Scalars = std::vector<std::pair<std::string, double>>;

// Appends scalars to a file of its own, FOLDER/events.out.tfevents.SECONDS.HOST.PID, those of a call whole or not at
// all. A run that goes on opens another writer on the same folder: TensorBoard reads all the files of a folder, in the
// order of their names, as one run. Throws Error with the path and the system's reason when it cannot write.
class TensorBoardWriter {
 public:
  // Makes the folder where there is none. What earlier files hold of the steps after `last_step` is taken back:
  // TensorBoard drops it when it comes to this file.
  explicit TensorBoardWriter(const std::filesystem::path& folder, int64_t last_step = 0);

  // Values are stored as float; NaN and infinities are kept as such. step ≥ 0.
  void write(int64_t step, const Scalars& scalars);

  const std::filesystem::path& path() const { return file_->path(); }

 private:
  void write_record(const std::string& data);

  std::optional<AppendedFile> file_;
};

// CRC-32C (Castagnoli), as in RFC 3720.
uint32_t crc32c(std::span<const char> data);

}  // namespace saobp::io
