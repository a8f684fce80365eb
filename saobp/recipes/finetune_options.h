// What a fine-tuning run is told. Saved whole in run.json and read back by --resume.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "saobp/analysis/attention_monitor.h"
#include "saobp/attention/variant.h"
#include "saobp/model/config.h"
#include "saobp/recipes/options.h"
#include "saobp/recipes/sections.h"
#include "saobp/tasks/task.h"
#include "saobp/train/distributed.h"
#include "saobp/train/optimizer_options.h"

namespace saobp::recipes {

struct TaskOptions {
  std::string task;
  std::string preset;
  std::string data;
  int64_t train_rows = 0;
  double holdout = 0;
  std::string from_task;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("task", self.task,
          "its name (see saobp tasks list), or the .json file of one; several: sst2,rte; a suite: glue");
    visit("preset", self.preset,
          "a variant of the task by its name, such as append for race-middle (saobp tasks list --json shows them); its "
          "settings, the learning rate too, hold unless they are given");
    visit("data", self.data, "the task's published files, or a folder of such folders");
    visit("train_rows", self.train_rows, "examples to train on, drawn with --seed; 0: all", io::at_least(0));
    visit(
        "holdout", self.holdout,
        "share of the training set that is not trained on but looked at in the place of the dev set, to choose by; 0: "
        "none, or 0.1 with --patience",
        io::between(0, 0.9));
    visit("from_task", self.from_task,
          "fine-tune on this task first, such as mnli, and go on from there: in OUTPUT/from-TASK/seed-N, the run "
          "itself being OUTPUT/TASK/seed-N");
  }
};

// How attention is refined where it is to be another way than the model's config.json says.
struct RefinementOptions {
  std::optional<attention::Variant> attention;
  std::optional<double> strength;
  std::optional<int64_t> strength_length;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("attention", self.attention, "original, high, low or elemmul; by default as the model's config.json says");
    visit("strength", self.strength,
          "repulsive strength λ ≥ 0; by default the model's own, or with another --attention min(0.2, 0.2 · 11 M / "
          "parameters)",
          io::between(0, 20));
    visit("strength_length", self.strength_length, kStrengthLengthHelp, io::between(0, kMaxTokensAPass));
  }
};

// Puts them into a config. UsageError for a strength of an attention that has none.
void apply(const RefinementOptions& options, model::ModelConfig& config);

struct StartOptions {
  std::string from;
  std::string tokenizer;
  double dropout = 0.1;
  bool new_head = false;
  bool extend_positions = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("from", self.from, "the model's folder: a run or any other");
    visit("tokenizer", self.tokenizer, "tokenizer.json, vocab.txt, or a folder with one; by default the model's own");
    visit("dropout", self.dropout, "of hidden states, attention weights and the head", io::between(0, 0.99));
    visit("new_head", self.new_head,
          "draw the head anew although the folder has one; of an encoder its pooler too, which was trained for "
          "something else");
    visit("extend_positions", self.extend_positions,
          "with a --length beyond the positions that the model was trained on: stretch those by interpolation");
  }
};

// 0 asks for the task's own setting, or everyone's (docs/tasks.md says where these come from).
struct FinetuneTrainOptions {
  int64_t epochs = 0;
  int64_t batch = 0;
  int64_t length = 0;
  int64_t overlap = 0;
  bool answer_windows_only = false;
  int64_t accumulation = 1;
  double warmup_share = 0.1;
  LearnStrength learn_strength = LearnStrength::none;
  int64_t seed = 42;
  int64_t threads = 0;
  Dtype dtype = Dtype::f32;
  bool group_by_length = true;
  int64_t log_every = 10;
  int64_t validate_every = 0;
  int64_t checkpoint_every = 0;
  int64_t keep_checkpoints = 1;
  int64_t max_skipped = 10;
  int64_t patience = 0;
  bool tensorboard = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("epochs", self.epochs, "times that each example is seen; 0: the task's setting, else 4", io::between(0, 1e6));
    visit("batch", self.batch, "examples a pass; 0: the task's setting, else 32", io::between(0, kMaxTokensAPass));
    visit("length", self.length, "tokens of the longest row; 0: the task's setting, else 128",
          io::between(0, kMaxTokensAPass));
    visit("overlap", self.overlap, kOverlapHelp, io::between(0, kMaxTokensAPass));
    visit("answer_windows_only", self.answer_windows_only,
          "of a long context train on the windows that hold the answer alone; the others otherwise teach to point at "
          "the first token");
    visit("accumulation", self.accumulation, "passes a step", io::between(1, 1e6));
    visit("warmup_share", self.warmup_share,
          "share of the steps that the warm-up takes where --warmup-steps is 0; a preset's own unless it is given",
          io::between(0, 1));
    visit("learn_strength", self.learn_strength, kLearnStrengthHelp);
    visit("seed", self.seed, "of the head's weights, the order of the examples and dropout", io::at_least(0));
    visit("threads", self.threads, "threads; 0: one a core. The same number gives the same bits", io::between(0, 1024));
    visit("dtype", self.dtype,
          "f32; bf16: hidden states and products in bfloat16, weights and optimiser in f32; or f64, slow");
    visit("group_by_length", self.group_by_length, "make batches of rows of like length, in random order");
    visit("log_every", self.log_every, "steps between lines of metrics.jsonl", io::at_least(1));
    visit("validate_every", self.validate_every, "steps between looks at the dev set; 0: after each epoch",
          io::at_least(0));
    visit("checkpoint_every", self.checkpoint_every, "steps between checkpoints; 0: after each epoch", io::at_least(0));
    visit("keep_checkpoints", self.keep_checkpoints, "newest checkpoints that are kept", io::at_least(1));
    visit("max_skipped", self.max_skipped,
          "steps in a row with a loss or gradient that is not finite, and no update, before the run stops",
          io::at_least(1));
    visit("patience", self.patience,
          "looks at what --holdout holds back without a better score after which training ends, and the best model is "
          "kept; 0: the one after the last step is",
          io::at_least(0));
    visit("tensorboard", self.tensorboard, "also write event files for TensorBoard into the run folder");
  }
};

struct FinetuneOptions {
  StartOptions start;
  RefinementOptions refinement;
  TaskOptions task;
  // Mosbach et al. 2021: AdamW with bias correction, a linear schedule and a warm-up of a tenth.
  train::OptimizerOptions optimizer = {.learning_rate = 5e-5, .schedule = train::Schedule::linear, .warmup_steps = 0};
  FinetuneTrainOptions train;
  // Whether the task's recipe, where it has them, goes before optimizer.learning_rate and train.warmup_share, which
  // nobody has given. Not recorded: a run records what it takes.
  bool rate_of_task = false, warmup_of_task = false;
  analysis::MonitorOptions monitor;
  train::DistributedOptions distributed;

  // Visits every struct with its name.
  template <class Self, class Visitor>
  static void sections(Self& self, Visitor&& visit) {
    visit("start", self.start);
    visit("refinement", self.refinement);
    visit("task", self.task);
    visit("optimizer", self.optimizer);
    visit("train", self.train);
    visit("monitor", self.monitor);
    visit("distributed", self.distributed);
  }
};

// The task with what options say of windows, if it has any.
tasks::Task with_windows(tasks::Task task, int64_t overlap, bool answer_windows_only = false);

// UsageError naming the flag where options speak of windows and none of the tasks has any.
void require_windows(const std::vector<tasks::Task>& all, int64_t overlap, bool answer_windows_only = false);

// The task's settings in the place of those that are 0. UsageError naming the flag for what does not fit.
FinetuneOptions resolved(FinetuneOptions options, const tasks::Task& task);

// UsageError naming the flag, what was given and what was expected.
void check(const FinetuneOptions& options);

}  // namespace saobp::recipes
