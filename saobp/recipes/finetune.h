// Fine-tuning on a task: from a model's folder and the task's files to a run folder.
#pragma once

#include "saobp/recipes/finetune_options.h"
#include "saobp/recipes/recipe.h"

namespace saobp::recipes {

extern const Recipe kFinetuning;

// With the task's settings in the place of those that are 0, and paths whole: as run.json has them.
FinetuneOptions as_recorded(const FinetuneOptions& options);

// What head a task's model has. UsageError where it is not learned.
model::HeadKind head_of(const tasks::Task& task);

// A new run, and going on with one, as start_run() and resume_run() do. The run's folder holds the model after its last
// step, with the task's head and labels, and eval/TASK-dev.json with its scores on the dev set, which chooses nothing.
RunOutcome finetune(const FinetuneOptions& options, const fs::path& run, const train::Reporter& reporter);
RunOutcome resume_finetuning(const fs::path& run, const io::Json& changes, const train::Reporter& reporter);

}  // namespace saobp::recipes
