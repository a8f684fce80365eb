// Masked-language-model pretraining: from options to a run folder.
#pragma once

#include <filesystem>

#include "saobp/recipes/options.h"
#include "saobp/train/reporter.h"

namespace saobp::recipes {

struct PretrainOutcome {
  bool interrupted = false;  // a signal came
  bool saved = true;         // there is a state to resume; false where the signal came before the first step
  int64_t rank = 0;          // of this process; what there is to say, rank 0 says
  int64_t step = 0;
  io::Json final;  // what run.json holds under "final"
};

// Both train in one process, or as one of the ranks that torchrun started (distributed.h). Rank 0 alone calls the
// reporter and writes files; an Error names the rank.

// A new run. Error when `run` exists, unless torchrun has started the ranks again (RunRecord::began_as): then it goes
// on as resume() does. Error when the options are not those that `run` began with.
PretrainOutcome pretrain(const PretrainOptions& options, const std::filesystem::path& run,
                         const train::Reporter& reporter);

// A run whose folder another process trains in is left alone, with an Error that names that one (run_lock.h).

// Goes on from the newest checkpoint of `run` with the options in its run.json, but for `changes` to them (sections of
// fields; UsageError for one that may not change, run_change.h), its config.json and tokenizer.json, and the text they
// name, which must not have changed: losses and weights are bit-identical to those of a run that was
// never interrupted, with the same number of ranks. Another number is told to the reporter: a step sees other rows
// then.
PretrainOutcome resume(const std::filesystem::path& run, const io::Json& changes, const train::Reporter& reporter);

}  // namespace saobp::recipes
