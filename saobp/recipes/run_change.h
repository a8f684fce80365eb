// What a run that goes on may be told anew, and what becomes of it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "saobp/recipes/options.h"
#include "saobp/train/reporter.h"

namespace saobp::recipes {

// The options under their flags' names, less those that may differ from machine to machine: threads, how long to wait,
// and paths, whose contents are compared by their keys when they are read (run_keys.h).
io::Json shared_options(const PretrainOptions& options);

// The flags that go with --resume. None of them changes what a step does to the weights but --steps, by the schedule,
// and --threads, by the order of sums.
const std::vector<std::string>& changeable_flags();

// The recorded options with those of `changes`, {"train": {"steps": 80}} …, in their place. UsageError for one that a
// run may not be told anew.
PretrainOptions with_changes(const PretrainOptions& recorded, const io::Json& changes,
                             const std::filesystem::path& run);

// Error for an option of a checkpoint, as shared_options makes them, that is another one now and may not be. `source`
// is where it was recorded.
void require_same_options(const io::Json& checkpoint, const PretrainOptions& now, const std::string& source);

// --steps has to lie beyond what a run has done.
[[noreturn]] void refuse_steps(int64_t steps, const std::filesystem::path& run, int64_t done);

// How the learning rate goes on from a checkpoint at `step` whose schedule was another one; empty where it was the
// same.
std::string new_schedule(const io::Json& checkpoint, const PretrainOptions& now, int64_t step);

// Puts the options into run.json's `record`. What they were, and the end that the run had come to, is kept in its list
// "changes". Gives what is new, for people; empty when nothing is.
std::string record_changes(io::Json& record, const PretrainOptions& now, int64_t step);

}  // namespace saobp::recipes
