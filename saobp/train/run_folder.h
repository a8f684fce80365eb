// A run folder: its checkpoints, and what every record of a run says about where it was made.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "saobp/io/file.h"
#include "saobp/io/json.h"
#include "saobp/io/sealed_json.h"
#include "saobp/model/model.h"
#include "saobp/train/optimizer.h"

namespace saobp::train {

namespace fs = std::filesystem;

// UTC, ISO 8601, seconds.
std::string timestamp();

// Versions of this program and of LibTorch, the host's name, processor and threads: what a figure depends on.
io::Json describe_host();

// Replaces the folder `target`, or makes it: write(aside) fills a folder beside it, which then takes its place in one
// step.
void replace_folder(const fs::path& target, const std::function<void(const fs::path&)>& write);

// The same for a folder that is to be new. False when `target` is there by then: it is left as it is.
bool make_new_folder(const fs::path& target, const std::function<void(const fs::path&)>& write);

// checkpoints/step-NNNNNN with model.safetensors, optimizer.safetensors and state.json, written aside and renamed.
// state.json is sealed (io/sealed_json.h), so that no byte of the three can change unnoticed.
class Checkpoints {
 public:
  Checkpoints(const fs::path& run, int64_t keep) : folder_(run / "checkpoints"), keep_(keep) {}

  // `state` is the trainer's own; "step" must be in it. Older checkpoints beyond `keep` go after the new one stands.
  void save(const model::Model& model, const AdamW& optimizer, const io::Json& state) const;
  // What a killed run left half-written goes.
  void sweep() const;
  std::vector<fs::path> newest_first() const;
  // Loads model and optimiser; gives back the state, and whether the checkpoint carries checksums. Error when anything
  // is missing or damaged; model and optimiser are then to be loaded from another one.
  static io::SealedJson load(const fs::path& checkpoint, const model::Model& model, AdamW& optimizer);

 private:
  std::vector<fs::path> all() const;  // ascending
  fs::path folder_;
  int64_t keep_;
};

}  // namespace saobp::train
