// What a task makes of a model: rows of its examples, their loss, and what the model says of each.
//
// Shapes: B rows, L tokens, C hidden channels, O outputs of the head.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "saobp/model/model.h"
#include "saobp/pretrained/rows.h"
#include "saobp/tasks/examples.h"
#include "saobp/text/tokenizer.h"

namespace saobp::tasks {

using pretrained::Row;

// What the model says of one example; a line of a predictions file.
struct Prediction {
  std::string id;
  io::Json gold;        // null where the split has no labels
  io::Json prediction;  // a label's name, a number, the place of an option, a text
  io::Json details;     // what the prediction follows from; "tokens": of the example's longest row, uncut windows
};

class Objective {
 public:
  virtual ~Objective() = default;

  // An item is what a batch is made of: an example, or a window of one.
  virtual int64_t items() const = 0;
  // The place of its example in the list.
  virtual int64_t example_of(int64_t item) const { return item; }
  // Tokens of its longest row.
  virtual int64_t length(int64_t item) const = 0;
  // Their rows as a batch.
  virtual model::Inputs inputs(std::span<const int64_t> items) const = 0;
  // What the item is to give: the place of a label or an option, a number, the two ends of an answer; null where that
  // is not known or nothing is.
  virtual io::Json target(int64_t /*item*/) const { return nullptr; }
  // scale · Σ losses of the items, a differentiable scalar in float.
  virtual torch::Tensor loss_sum(const model::Model& model, std::span<const int64_t> items, double scale) const = 0;
  // What the head puts out for each item, in float. In evaluation mode, without gradients.
  virtual std::vector<std::vector<float>> outputs(const model::Model& model, std::span<const int64_t> items) const = 0;
  // One for each example, from the outputs of all items.
  virtual std::vector<Prediction> predictions(const std::vector<std::vector<float>>& outputs) const = 0;

  // Whether the item teaches anything: it does not where its answer is not to be found.
  virtual bool is_trained(int64_t /*item*/) const { return true; }

  // What was cut, skipped or left out, a sentence each.
  const std::vector<std::string>& notes() const { return notes_; }

 protected:
  std::vector<std::string> notes_;
};

// Rows of at most `length` tokens. Pairs are cut longest first, token by token; of choices only the first text is, so
// that no option is lost. Error for an option that leaves no room. The examples must outlive it.
std::unique_ptr<Objective> make_objective(const Task& task, const Examples& examples, const model::ModelConfig& config,
                                          const text::Tokenizer& tokenizer, int64_t length);

// Where an answer stands in the second text, which goes in windows where it is long (Kind::span): those of the
// tokenizers package with `overlap` tokens in common. Of a window without the answer the first token is right. An
// item is a window.
std::unique_ptr<Objective> make_spans(const Task& task, const Examples& examples, const model::ModelConfig& config,
                                      const text::Tokenizer& tokenizer, int64_t length);

// The cosine of the mean hidden states of two texts, of any model and without training (Kind::similarity).
std::unique_ptr<Objective> make_similarities(const Task& task, const Examples& examples,
                                             const model::ModelConfig& config, const text::Tokenizer& tokenizer,
                                             int64_t length);

// Tokens of the longest row of all.
int64_t longest(const Objective& objective);

// What the config of a model that does this task says: its labels.
void set_labels(const Task& task, model::ModelConfig& config);

// What the head's dropout draws from; 0, without dropout, outside of training.
uint64_t head_seed(const model::Model& model);

// The head's outputs [B, O] for rows whose head looks at one place, in float.
torch::Tensor pooled_logits(const model::Model& model, const model::Inputs& inputs);

}  // namespace saobp::tasks
