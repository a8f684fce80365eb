// Which examples of a training set are trained on, and which are held back to choose by.
#pragma once

#include <cstdint>

#include "saobp/recipes/finetune_options.h"
#include "saobp/tasks/examples.h"

namespace saobp::recipes {

// All examples to train on or, drawn with the seed, as many as options.train_rows asks for; in the order of the file.
tasks::Examples training_examples(const tasks::Task& task, const TaskOptions& options, int64_t seed);

// Takes a share of the examples out, drawn with the seed; both in the order of the file. Questions about one passage
// stay together, so that it may be a few more. UsageError for a share that comes to none of them or to all.
tasks::Examples hold_back(const tasks::Task& task, tasks::Examples& examples, double share, int64_t seed);

// Tells how many examples are in the dev set too, text for text; "" where none is.
std::string note_on_shared(const tasks::Examples& train, const tasks::Examples& dev);

}  // namespace saobp::recipes
