// What a pretraining run is told. Saved whole in run.json and read back by --resume.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "saobp/analysis/attention_monitor.h"
#include "saobp/attention/variant.h"
#include "saobp/data/corpus_options.h"
#include "saobp/data/masking.h"
#include "saobp/model/model.h"
#include "saobp/recipes/sections.h"
#include "saobp/train/distributed.h"
#include "saobp/train/optimizer_options.h"
#include "saobp/train/regularizer_options.h"

namespace saobp::recipes {

namespace fs = std::filesystem;

// Whether λ is learned: not at all, one for each layer, or one for each head.
enum class LearnStrength { none, layer, head };

inline const std::vector<std::string>& enum_names(LearnStrength) {
  static const std::vector<std::string> names = {"none", "layer", "head"};
  return names;
}

// A slip of the keyboard should not end in the kernel's killing the program.
inline constexpr int64_t kMaxTokensAPass = int64_t{1} << 20, kMaxTokensAStep = int64_t{1} << 25;

inline constexpr auto kOverlapHelp =
    "tokens of a long context that two of its windows share; 0: the task's setting (128 of SQuAD)";
inline constexpr auto kStrengthLengthHelp =
    "weaken λ in rows of more than N tokens, by N over their number, so that a long row is refined as one of N is; 0: "
    "the same λ at any length";

inline constexpr auto kLearnStrengthHelp = "none, layer or head: learn a λ for each, from the given ones on";

struct ModelOptions {
  std::string model = "bert-mini";
  std::string tokenizer;
  attention::Variant attention = attention::Variant::high;
  std::optional<double> strength;
  std::string strengths;
  int64_t strength_warmup_steps = 0;
  LearnStrength learn_strength = LearnStrength::none;
  bool exclude_self = true;
  int64_t strength_length = 0;
  double dropout = 0.1;
  bool sinusoidal_positions = false;
  bool qk_norm = false;
  bool sigma_reparam = false;
  std::string from;
  bool extend_positions = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit(
        "model", self.model,
        "bert-mini, bert-small, bert-medium, gpt2-mini, gpt2-small, gpt2-medium, or a config.json of any other size or "
        "a folder with one, whose sizes alone are taken: weights are new, attention and dropout those of the options "
        "here");
    visit(
        "from", self.from,
        "start from the weights of this model's folder, a run's or any other, with its sizes and its tokenizer, in the "
        "place of --model; what is taken over and what drawn anew is told");
    visit("extend_positions", self.extend_positions,
          "with --from, and a --length beyond the positions that the model was trained on: stretch those by "
          "interpolation");
    visit("tokenizer", self.tokenizer,
          "tokenizer.json, vocab.txt, or a folder with one; sets the vocabulary's size, unless there is a --from");
    visit("attention", self.attention, "original, high, low or elemmul");
    visit("strength", self.strength, "repulsive strength λ ≥ 0; by default min(0.2, 0.2 · 11 M / parameters)",
          io::between(0, 20));
    visit("strengths", self.strengths,
          "λ of each layer, such as 0.1,0.2; for each head of a layer numbers with colons: 0.1:0.3,0.2:0.2");
    visit("strength_warmup_steps", self.strength_warmup_steps, "steps over which λ grows linearly from 0",
          io::at_least(0));
    visit("learn_strength", self.learn_strength, kLearnStrengthHelp);
    visit("exclude_self", self.exclude_self, "leave a row's own message out, as the paper's Algorithm 1 does");
    visit("strength_length", self.strength_length, kStrengthLengthHelp, io::between(0, kMaxTokensAPass));
    visit("dropout", self.dropout, "of hidden states and attention weights", io::between(0, 0.99));
    visit(
        "sinusoidal_positions", self.sinusoidal_positions,
        "start the learned position embeddings from sines, which lets a small model leave the unigram plateau sooner");
    visit("qk_norm", self.qk_norm, "RMSNorm with a learned gain on the queries and keys of each head");
    visit("sigma_reparam", self.sigma_reparam, "σReparam: each layer's matrices are γ/σ(W) · W, σ by power iteration");
  }
};

// What a model is trained in. f32: everything. bf16: hidden states and matrix products; weights, their gradients, the
// optimiser's state, sums, norms and softmax stay in f32. f64: everything, by way of ATen, for comparing.
enum class Dtype { f32, bf16, f64 };

inline const std::vector<std::string>& enum_names(Dtype) {
  static const std::vector<std::string> names = {"f32", "bf16", "f64"};
  return names;
}

// Makes a model of drawn or loaded weights compute in that type.
void set_dtype(const model::Model& model, Dtype dtype);

struct TrainOptions {
  int64_t steps = 1000;
  int64_t batch = 32;
  int64_t length = 128;
  int64_t accumulation = 1;
  int64_t seed = 42;
  int64_t threads = 0;
  Dtype dtype = Dtype::f32;
  int64_t log_every = 10;
  int64_t validate_every = 250;
  int64_t checkpoint_every = 250;
  int64_t keep_checkpoints = 2;
  bool keep_best = true;
  int64_t max_skipped = 10;
  bool tensorboard = false;
  bool record_batches = false;
  std::vector<std::string> validation;
  int64_t validation_rows = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("steps", self.steps, "updates of the weights", io::between(1, 1e9));
    visit("batch", self.batch, "rows a pass", io::between(1, kMaxTokensAPass));
    visit("length", self.length, "tokens a row, [CLS] and [SEP] included", io::between(3, kMaxTokensAPass));
    visit("accumulation", self.accumulation, "passes a step; a step sees batch · length · accumulation tokens",
          io::between(1, 1e6));
    visit("seed", self.seed, "of weights, data order, masks and dropout", io::at_least(0));
    visit("threads", self.threads, "threads; 0: one a core. The same number gives the same bits", io::between(0, 1024));
    visit(
        "dtype", self.dtype,
        "f32; bf16: hidden states and products in bfloat16, weights and optimiser in f32; or f64, slow, for comparing");
    visit("log_every", self.log_every, "steps between lines of metrics.jsonl", io::at_least(1));
    visit("validate_every", self.validate_every, "steps between validations, and one at the end", io::at_least(1));
    visit("checkpoint_every", self.checkpoint_every, "steps between checkpoints, and one at the end", io::at_least(1));
    visit("keep_checkpoints", self.keep_checkpoints, "newest checkpoints that are kept", io::at_least(1));
    visit("keep_best", self.keep_best, "keep the model with the lowest validation loss in the run's folder best/");
    visit("max_skipped", self.max_skipped,
          "steps in a row with a loss or gradient that is not finite, and no update, before the run stops",
          io::at_least(1));
    visit("tensorboard", self.tensorboard, "also write event files for TensorBoard into the run folder");
    visit("record_batches", self.record_batches,
          "also write what each step sees (token ids, masks, targets) to batches.jsonl in the run folder");
    visit("validation", self.validation, "text to validate on, as in --corpus but without weights. Repeatable");
    visit("validation_rows", self.validation_rows, "rows of it that are used; 0: all", io::at_least(0));
  }
};

struct PretrainOptions {
  ModelOptions model;
  data::CorpusOptions corpus;
  data::MaskingOptions masking;
  train::OptimizerOptions optimizer;
  TrainOptions train;
  analysis::MonitorOptions monitor;
  train::DistributedOptions distributed;
  train::RegularizerOptions regularizers;

  // Visits every struct with its name.
  template <class Self, class Visitor>
  static void sections(Self& self, Visitor&& visit) {
    visit("model", self.model);
    visit("corpus", self.corpus);
    visit("masking", self.masking);
    visit("optimizer", self.optimizer);
    visit("train", self.train);
    visit("monitor", self.monitor);
    visit("distributed", self.distributed);
    visit("regularizers", self.regularizers);
  }
};

// What is validated on: the corpus options with the texts of --validation.
data::CorpusOptions validation_corpus(const PretrainOptions& options);

// UsageError naming the flag, what was given and what was expected.
void check(const PretrainOptions& options);

// What the model takes from its tokenizer: an encoder what stands around a text and fills a row up, a decoder what ends
// a text.
struct VocabularyFacts {
  int64_t size, pad = 0, first = 0, last = 0;
  std::optional<int64_t> end_of_text = {};
};

// Where the tokenizer is: --tokenizer, or the folder of --from.
std::filesystem::path tokenizer_of(const ModelOptions& options);

// Of which family the options' model is.
const model::Family& family_of(const ModelOptions& options);

// Gives each layer or head a λ of its own to learn from, where one is to be learned: the one that it had. UsageError
// for attention without a strength, and for one λ a layer where each head has one.
void set_learned(LearnStrength learned, model::ModelConfig& config);

// UsageError where strengths are to be learned at a rate that would be 0.
void check_learned(LearnStrength learned, const train::OptimizerOptions& optimizer);

// What λ is multiplied with in a model that has had `updates` of them (skipped ones count).
double strength_scale(const ModelOptions& options, int64_t updates);

// Whether λ is another one from step to step.
bool strength_changes(const ModelOptions& options);

// The config of a run's folder, with what the options say in the place of what training changes in it.
model::ModelConfig resumed_model(const ModelOptions& options, const std::filesystem::path& config);

// A new model's; another's as they are; another's, stretched to the length of rows that are longer than those that they
// were trained in.
enum class Positions { fresh, kept, stretched };

// How many positions a model is to have for rows of `length`, and of a new one how many will be trained. UsageError for
// rows beyond the table, unless it is stretched.
void fit_positions(model::ModelConfig& config, int64_t length, Positions positions);

// Rows of training have so many tokens: as many positions will be trained. A sentence where some of them begin
// untrained; else nothing.
std::string train_positions(model::ModelImpl& model, int64_t tokens);

// The model that the options ask for, with the tokenizer's vocabulary and λ resolved.
model::ModelConfig resolve_model(const ModelOptions& options, const VocabularyFacts& vocabulary, int64_t length);

}  // namespace saobp::recipes
