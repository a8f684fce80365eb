// Masked-language-model pretraining: from options to a run folder.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "saobp/train/options.h"

namespace saobp::train {

// What a run tells while it works; the command line prints it.
struct Reporter {
  // A line worth keeping (what is trained, a validation, a checkpoint).
  std::function<void(const std::string&)> line = [](const std::string&) {};
  // Progress, which a terminal overwrites. `due` on the steps that metrics.jsonl logs.
  std::function<void(const std::string&, bool due)> progress = [](const std::string&, bool) {};
};

struct PretrainOutcome {
  bool interrupted = false;  // a signal came
  bool saved = true;         // there is a state to resume; false where the signal came before the first step
  int64_t step = 0;
  io::Json final;  // what run.json holds under "final"
};

// A new run. Error when `run` exists.
PretrainOutcome pretrain(const PretrainOptions& options, const std::filesystem::path& run, const Reporter& reporter);

// Goes on from the newest checkpoint of `run` with the options in its run.json, its config.json and tokenizer.json, and
// the text they name, which must not have changed: losses and weights are bit-identical to
// those of a run that was never interrupted.
PretrainOutcome resume(const std::filesystem::path& run, const Reporter& reporter);

}  // namespace saobp::train
