// What a trainer makes smaller, and where its batches come from. The trainer knows of neither corpora nor tasks: a
// recipe hands these in.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "saobp/io/json.h"
#include "saobp/model/libtorch.h"

namespace saobp::train {

// What a pass gives: its losses, and terms beside them, each a differentiable scalar under its name; undefined where it
// has none in this pass. All passes of a run name the same terms.
struct PassLoss {
  torch::Tensor loss;
  std::vector<std::pair<std::string, torch::Tensor>> terms = {};
};

// One forward pass over one rank's share of a batch.
struct Pass {
  // What the losses are a mean over: predicted tokens, examples.
  double count = 0;
  // scale() · Σ losses, and the terms. `scale` is 1 / the count of all passes and ranks; it waits for the other ranks,
  // and is best asked when the hidden states are there.
  std::function<PassLoss(const std::function<double()>& scale)> run;
};

// The sequence of batches, which all ranks share: its position is all the state that it has.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  // This rank's passes of one step. `more`: there will be another step, which may be prepared meanwhile.
  virtual std::vector<Pass> next(bool more) = 0;
  // Rows that the steps of all ranks have seen.
  virtual uint64_t position() const = 0;
  virtual void seek(uint64_t position) = 0;
  // The step that next() was for has not been made; nothing more is asked of next().
  virtual void give_back(uint64_t position) = 0;

  // "tokens", "examples" …: what speed is told in, and how many of them a step of all ranks has.
  virtual const char* unit() const = 0;
  virtual double units_a_step() const = 0;
  // Those of all steps so far.
  virtual double units() const = 0;
  // What the passes of the newest step see, for a record; null where there is none.
  virtual io::Json newest() const { return nullptr; }
};

// A figure on held-out data. Lower is better where the figure is a loss, higher where it is a score.
struct Validated {
  double figure = 0;
  io::Json line;           // of metrics.jsonl, without "step"
  std::string text;        // for people
  std::string not_finite;  // where values that are not finite begin; empty where they are finite
  bool undefined = false;  // the figure has no value (a correlation with a constant): nothing is compared
};

class Validator {
 public:
  virtual ~Validator() = default;
  virtual const char* figure() const = 0;  // "validation_loss" …, its key in the line
  virtual bool lower_is_better() const = 0;
  // On all ranks. Nothing when `stop` said yes on any.
  virtual std::optional<Validated> validate(const std::function<bool()>& stop) = 0;
};

// A look at the model now and then, by rank 0 alone: a line of the log, scalars, a sentence. Nothing when `stop` said
// yes.
struct Looked {
  io::Json line;  // with "step"
  std::vector<std::pair<std::string, double>> scalars;
  std::string text;
};
using Monitor = std::function<std::optional<Looked>(int64_t step, const std::function<bool()>& stop)>;

}  // namespace saobp::train
