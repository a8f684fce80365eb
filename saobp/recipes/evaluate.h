// Scoring a model on tasks, without training.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "saobp/recipes/evaluation.h"
#include "saobp/recipes/finetune_options.h"
#include "saobp/train/reporter.h"

namespace saobp::recipes {

struct EvaluateOptions {
  std::string task;
  std::string preset;
  std::string data;
  std::string split = "dev";
  std::string prompt = "default";
  std::string tokenizer;
  int64_t batch = 32;
  int64_t length = 0;
  int64_t overlap = 0;
  int64_t stride = 0;
  int64_t rows = 0;
  int64_t threads = 0;
  bool other_head = false;
  Dtype dtype = Dtype::f32;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("task", self.task, "one or several: hellaswag,boolq (see saobp tasks list)");
    visit("preset", self.preset, "a variant of the task by its name (saobp tasks list --json shows them)");
    visit("data", self.data, "the tasks' published files, or a folder of such folders");
    visit("split", self.split, "train, dev, test, or another that the task has");
    visit("prompt", self.prompt, "of the task's prompts, which a decoder is asked by without training");
    visit("tokenizer", self.tokenizer, "tokenizer.json, vocab.txt, or a folder with one; by default the model's own");
    visit("batch", self.batch, "examples a pass; changes no score", io::between(1, kMaxTokensAPass));
    visit("length", self.length,
          "tokens of the longest row; 0: as the model was fine-tuned, else the task's setting, else 128; of what a "
          "decoder is asked as many as it takes, and of a text as many as the model was trained on",
          io::between(0, kMaxTokensAPass));
    visit("overlap", self.overlap,
          "tokens of a long context that two of its windows share; 0: as the model was fine-tuned, else the task's "
          "setting (128 of SQuAD)",
          io::between(0, kMaxTokensAPass));
    visit("stride", self.stride,
          "of a text: tokens that each window predicts, after as many as it has room for; 0: the task's setting, else "
          "--length",
          io::between(0, kMaxTokensAPass));
    visit("rows", self.rows, "examples, the first ones; 0: all", io::at_least(0));
    visit("threads", self.threads, "threads; 0: one a core", io::between(0, 1024));
    visit("other_head", self.other_head, "also ask a head that was fine-tuned on another task, where its labels fit");
    visit("dtype", self.dtype, "f32; bf16: hidden states and products in bfloat16; or f64, slow");
  }
};

// The tasks that are named, suites in the place of their names.
std::vector<std::string> named_tasks(const std::string& list);

// What a run was fine-tuned with, by its run.json; also of its best/ and of its checkpoints. Nothing of another folder.
struct FineTuned {
  FinetuneOptions options;
  std::string task;  // its name
};
std::optional<FineTuned> fine_tuned_with(const fs::path& model);

// The task, whose contexts go in windows that share `overlap` tokens; 0: as the model was fine-tuned, else as the task
// says.
tasks::Task in_windows_of(tasks::Task task, int64_t overlap, const fs::path& model);

// Tokens a row: as the model was fine-tuned, else the task's setting.
int64_t row_length(const tasks::Task& task, const fs::path& model);

// UsageError where a stride is given and none of the tasks is read in windows of a text.
void require_texts(const std::vector<tasks::Task>& tasks, int64_t stride);

// Of one of the tasks. Nothing when a signal came; NotAsked where the model has no head for it, a run's head is another
// task's (unless options.other_head), or the data has no files of that split.
std::optional<Evaluation> evaluate_task(const EvaluateOptions& options, const RefinementOptions& refinement,
                                        const std::string& model, const tasks::Task& task,
                                        const train::Reporter& reporter, io::Json& settings);

}  // namespace saobp::recipes
