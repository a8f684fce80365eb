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
  int64_t stride = 0;
  int64_t rows = 0;
  int64_t threads = 0;
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
    visit("stride", self.stride,
          "of a text: tokens that each window predicts, behind as many as it has room for; 0: the task's setting, else "
          "--length",
          io::between(0, kMaxTokensAPass));
    visit("rows", self.rows, "examples, the first ones; 0: all", io::at_least(0));
    visit("threads", self.threads, "threads; 0: one a core", io::between(0, 1024));
    visit("dtype", self.dtype, "f32; bf16: hidden states and products in bfloat16; or f64, slow");
  }
};

// The tasks that are named, suites in the place of their names.
std::vector<std::string> named_tasks(const std::string& list);

// Of one of the tasks. Nothing when a signal came; NotAsked where the model has no head for it, or the data no files of
// that split.
std::optional<Evaluation> evaluate_task(const EvaluateOptions& options, const RefinementOptions& refinement,
                                        const std::string& model, const tasks::Task& task,
                                        const train::Reporter& reporter, io::Json& settings);

}  // namespace saobp::recipes
