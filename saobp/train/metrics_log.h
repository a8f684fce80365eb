// metrics.jsonl of a run folder: what was logged, a step a line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "saobp/io/file.h"
#include "saobp/io/json.h"

namespace saobp::train {

// One JSON object a line, each written whole or not at all.
class MetricsLog {
 public:
  // Keeps the lines whose "step" is at most `last_step` and appends to them. A last line that was cut off while being
  // written goes. A file with other lines that are not understood is kept aside, and the log goes on without these.
  MetricsLog(const io::fs::path& path, int64_t last_step);

  void write(const io::Json& line) { file_->append(line.dump() + "\n"); }
  // The lines that were kept.
  const std::vector<io::Json>& kept() const { return kept_; }
  // What was not understood, and where the file is now; empty where all was.
  const std::string& damage() const { return damage_; }

 private:
  std::vector<io::Json> kept_;
  std::string damage_;
  std::optional<io::AppendedFile> file_;
};

}  // namespace saobp::train
