// The rows that a model is fed for a task, to look at and to hold against other programs'.
#pragma once

#include <functional>
#include <string>

#include "saobp/io/json.h"
#include "saobp/recipes/options.h"
#include "saobp/tasks/task.h"
#include "saobp/train/reporter.h"

namespace saobp::recipes {

struct TaskRowOptions {
  std::string task;
  std::string preset;
  std::string data;
  std::string split = "dev";
  std::string tokenizer;
  int64_t length = 0;
  int64_t overlap = 0;
  int64_t rows = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("task", self.task, "its name (see saobp tasks list), or the .json file of one");
    visit("preset", self.preset, "a variant of the task by its name (saobp tasks list --json shows them)");
    visit("data", self.data, "the task's published files, or a folder of such folders");
    visit("split", self.split, "train, dev, test, or another that the task has");
    visit("tokenizer", self.tokenizer, "tokenizer.json, vocab.txt, or a folder with one; by default the model's own");
    visit("length", self.length,
          "tokens of the longest row; 0: as the model was fine-tuned, else the task's setting, else 128",
          io::between(0, kMaxTokensAPass));
    visit("overlap", self.overlap, kOverlapHelp, io::between(0, kMaxTokensAPass));
    visit("rows", self.rows, "examples, the first ones; 0: all", io::at_least(0));
  }
};

// Calls use({"id", "input_ids", "token_type_ids", "target"}) for each example, or window of one, in their order; of a
// choice there is a list of ids for each option. The target is the place of a label in config.json as fine-tuning
// writes it, the place of the right option, a number, or the two ends of an answer; null where it is not known. The
// model's config and its tokenizer are read, and no weights.
void each_task_row(const std::string& model, const TaskRowOptions& options, const train::Reporter& reporter,
                   const std::function<void(const io::Json& row)>& use);

}  // namespace saobp::recipes
