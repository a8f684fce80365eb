// Trains a model in a run folder: steps, signals, ranks, skipped steps, logs, checkpoints and the best model. What is
// trained on, what for, and what is told beside it is handed in.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "saobp/model/model.h"
#include "saobp/train/best_model.h"
#include "saobp/train/distributed.h"
#include "saobp/train/gradient_reducer.h"
#include "saobp/train/metrics_log.h"
#include "saobp/train/objective.h"
#include "saobp/train/optimizer.h"
#include "saobp/train/reporter.h"
#include "saobp/train/run_folder.h"
#include "saobp/train/run_lock.h"
#include "saobp/train/run_log.h"
#include "saobp/train/run_state.h"
#include "saobp/train/speed.h"
#include "saobp/train/step.h"

namespace saobp::train {

struct TrainerOptions {
  int64_t steps = 1000;
  uint64_t seed = 42;
  OptimizerOptions optimizer;
  int64_t bucket_mb = 8;
  int64_t log_every = 10, validate_every = 250, checkpoint_every = 250, monitor_every = 0;
  int64_t keep_checkpoints = 2;
  bool keep_best = true;
  int64_t max_skipped = 10;
  int64_t patience = 0;  // validations in a row without a better figure after which training ends; 0: none does
  bool tensorboard = false, record_batches = false;
};

// What a recipe hands in. References must outlive the trainer.
struct TrainerParts {
  model::Model model;
  BatchSource& source;
  Validator* validator = nullptr;
  Monitor monitor = {};
  // What the model is to be before the step after `step`: strengths that are warmed up, say.
  std::function<void(int64_t step)> prepare = [](int64_t) {};
  // What a line of the log has beside loss, rate and speed.
  std::function<io::Json()> extra = [] { return io::Json::object(); };
  // What state.json holds, and what must agree on a resume, beside the trainer's own state.
  io::Json keys = io::Json::object();
  io::Json options = io::Json::object();
  // Writes the model, and what belongs to it, into RUN/best.
  std::function<uint64_t(const std::filesystem::path& folder)> save_best = {};
  std::vector<std::string> validation_keys = {};
};

struct TrainOutcome {
  bool interrupted = false;
  int64_t step = 0;
  io::Json final;  // figures, where the run is through; rank 0's
};

class Trainer {
 public:
  Trainer(const TrainerOptions& options, TrainerParts parts, const std::filesystem::path& run, const World& world,
          const Reporter& reporter);

  RunState& state() { return state_; }
  AdamW& optimizer() { return *optimizer_; }
  Checkpoints& checkpoints() { return checkpoints_; }
  // Rank 0's; others have none.
  void hold(RunLock lock) { lock_.emplace(std::move(lock)); }
  RunLock& lock() { return *lock_; }

  // From where the state stands to the last step, or to a signal. The folder is there, and rank 0 holds its lock.
  TrainOutcome train();

 private:
  bool stopped() const;
  bool exhausted() const;
  bool one_step();
  void log_step(const StepResult& result, double rate);
  void skip(const StepResult& result, uint64_t first_row);
  void write(const io::Json& line);
  bool validation_due() const;
  bool look_due() const;
  bool missed(bool due, int64_t last) const;
  bool validate_now();
  bool look();
  void save();
  io::Json final_figures() const;
  std::string unit_a_second() const { return std::string(parts_.source.unit()) + "_per_s"; }

  const TrainerOptions options_;
  TrainerParts parts_;
  const std::filesystem::path run_;
  const World& world_;
  const Reporter& reporter_;
  std::optional<AdamW> optimizer_;
  std::optional<GradientReducer> reducer_;
  Checkpoints checkpoints_;
  BestModel best_;
  std::optional<RunLock> lock_;  // rank 0's
  std::optional<RunLog> log_;    // rank 0's
  std::optional<MetricsLog> batch_log_;

  RunState state_;           // its rows, ranks and seconds are those at the run's start or at the newest checkpoint
  int64_t saved_step_ = -1;  // of the newest checkpoint
  bool stop_ = false;        // some rank had a signal
  Clock::time_point started_;
  Speed speed_;
};

}  // namespace saobp::train
