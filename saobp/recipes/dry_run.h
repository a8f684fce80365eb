// What a run would take, found by a few of its steps, before anything is written.
#pragma once

#include <cstdint>
#include <optional>

#include "saobp/recipes/options.h"
#include "saobp/train/reporter.h"

namespace saobp::recipes {

struct DryRun {
  int64_t parameters = 0;
  int64_t steps = 0, tokens = 0;  // of the run; tokens that all steps see
  int64_t rows = 0, corpus_rows = 0, validation_rows = 0;
  int64_t measured_steps = 0;
  double seconds_a_step = 0;
  double seconds = 0;       // of the run, with its validations, which are reckoned at a third of a step's pass
  int64_t peak_rss_mb = 0;  // of this process, the measured steps among what it did
  double folder_bytes = 0;  // weights, checkpoints and the best model, as many as are kept

  double epochs() const { return static_cast<double>(rows) / static_cast<double>(corpus_rows); }
  io::Json to_json() const;
};

// Makes the model and up to three steps after a first one, on the text that the run would begin with. Text that is not
// in the cache yet is tokenised into a temporary folder. Nothing where a signal came. Errors are those of pretrain().
std::optional<DryRun> dry_run(const PretrainOptions& options, const train::Reporter& reporter);

}  // namespace saobp::recipes
