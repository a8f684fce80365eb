#include "saobp/train/trainer.h"

#include <cmath>

#include "saobp/io/words.h"
#include "saobp/model/weights.h"
#include "saobp/train/interrupt.h"
#include "saobp/train/skipped_step.h"

namespace saobp::train {

Trainer::Trainer(const TrainerOptions& options, TrainerParts parts, const fs::path& run, const World& world,
                 const Reporter& reporter)
    : options_(options),
      parts_(std::move(parts)),
      run_(run),
      world_(world),
      reporter_(reporter),
      checkpoints_(run, options.keep_checkpoints),
      best_(run, parts_.validation_keys, parts_.validator ? parts_.validator->figure() : "validation_loss",
            !parts_.validator || parts_.validator->lower_is_better()) {
  const auto parameters = parameters_of(*parts_.model);
  optimizer_.emplace(parameters, options_.optimizer);
  reducer_.emplace(world, model::tensors_of(parameters), options_.bucket_mb << 20);
  parts_.model->train();
}

// Whether to end before the next step: a signal came, which several ranks agree upon in each step.
bool Trainer::stopped() const { return world_.size() == 1 ? InterruptGuard::interrupted() : stop_; }

// Whether enough validations have found nothing better; the log is rank 0's.
bool Trainer::exhausted() const {
  return options_.patience > 0 &&
         world_.sum(log_ && log_->validations_since_best() >= options_.patience ? 1.0 : 0.0) > 0;
}

TrainOutcome Trainer::train() {
  parts_.prepare(state_.step);
  if (state_.step > 0) {
    saved_step_ = state_.step;
    // It may have been stopped between its checkpoint and the model that others read.
    if (world_.is_first()) model::save_model(parts_.model, run_);
  }
  parts_.source.seek(state_.rows);
  if (world_.is_first()) log_.emplace(run_, state_.step, options_.tensorboard, best_.figure(), best_.lower_is_better());
  if (world_.is_first() && options_.record_batches) batch_log_.emplace(run_ / "batches.jsonl", state_.step);
  for (const auto& damage : {log_ ? log_->damage() : "", batch_log_ ? batch_log_->damage() : ""})
    if (!damage.empty()) reporter_.note("log", damage);
  if (log_ && options_.keep_best) best_.go_on(state_.step, log_->best_figure(), reporter_);
  started_ = Clock::now();
  speed_.start_window();
  // A run that was stopped between a step and what was due after it makes up for that.
  bool running =
      (!missed(look_due(), log_ ? log_->looked() : -1) || look()) &&
      (!missed(validation_due(), log_ ? log_->validation().value("step", int64_t{-1}) : -1) || validate_now());
  bool ended = exhausted();
  while (running && !ended && state_.step < options_.steps && !stopped()) {
    if (!one_step()) break;
    if (look_due()) running = look();
    if (running && validation_due()) {
      running = validate_now();
      ended = running && exhausted();
    }
    if (running && (state_.step % options_.checkpoint_every == 0 || state_.step == options_.steps)) save();
  }
  if (ended || state_.step < options_.steps || !running) save();
  if (!ended && (state_.step < options_.steps || !running)) return {true, state_.step, {}};
  return {false, state_.step, world_.is_first() ? final_figures() : io::Json()};
}

// False when the step was not made: a signal came in it.
bool Trainer::one_step() {
  const uint64_t first_row = parts_.source.position();
  const auto passes = parts_.source.next(state_.step + 1 < options_.steps);
  if (batch_log_) batch_log_->write({{"step", state_.step + 1}, {"batches", parts_.source.newest()}});
  const double rate = learning_rate(options_.optimizer, state_.step + 1, options_.steps);
  const auto result = train_step(parts_.model, *optimizer_, passes, rate, options_.seed, state_.step, *reducer_,
                                 InterruptGuard::interrupted);
  stop_ = result.stop;
  if (result.abandoned) {
    parts_.source.give_back(first_row);
    return false;
  }
  ++state_.step;
  parts_.prepare(state_.step);
  speed_.count_step();
  if (std::isfinite(result.loss) && std::isfinite(result.gradient_norm)) {
    state_.skipped_in_a_row = 0;
    log_step(result, rate);
  } else {
    skip(result, first_row);
  }
  return true;
}

void Trainer::log_step(const StepResult& result, double rate) {
  const double units_per_s = parts_.source.units_a_step() / speed_.seconds_a_step();
  const double left = static_cast<double>(options_.steps - state_.step) * speed_.seconds_a_step();
  StepMade made{state_.step, options_.steps, result.loss, parts_.source.unit(), units_per_s, left, nullptr};
  if (state_.step % options_.log_every == 0 || state_.step == options_.steps) {
    made.line = {{"step", state_.step},
                 {"loss", result.loss},
                 {"learning_rate", rate},
                 {"grad_norm", result.gradient_norm},
                 {parts_.source.unit(), static_cast<uint64_t>(parts_.source.units())},
                 {unit_a_second(), std::round(units_per_s)}};
    made.line.update(parts_.extra());
    made.line.update(result.terms);
    write(made.line);
  }
  reporter_.tell(made);
  if (!made.line.is_null()) speed_.keep_window();
}

// The step made no update.
void Trainer::skip(const StepResult& result, uint64_t first_row) {
  ++state_.skipped;
  ++state_.skipped_in_a_row;
  const SkippedStep skipped{state_.step, result, first_row, parts_.source.position() - 1};
  const auto line = skipped.to_json(state_.skipped);
  write(line);
  reporter_.tell(Logged{Logged::Kind::skipped, state_.step, line, skipped.text()});
  if (state_.skipped_in_a_row < options_.max_skipped) return;
  save();
  throw NotFinite(concat(run_.string(), ": ", skipped.text(), "; ", io::counted(state_.skipped_in_a_row, "step"),
                         " in a row; the state is saved; a lower --learning-rate or a longer --warmup-steps may help"));
}

// To the log, which is rank 0's.
void Trainer::write(const io::Json& line) {
  if (!log_) return;
  lock_->require_in_place();
  log_->write(line);
}

bool Trainer::validation_due() const {
  return parts_.validator && (state_.step % options_.validate_every == 0 || state_.step == options_.steps);
}

bool Trainer::look_due() const {
  return parts_.monitor && options_.monitor_every > 0 && state_.step % options_.monitor_every == 0;
}

// Whether what is due at the step where the run stands is not in the log, whose newest is of the step `last`.
bool Trainer::missed(bool due, int64_t last) const {
  return world_.sum(log_ && state_.step > 0 && due && last != state_.step ? 1.0 : 0.0) > 0;
}

// False when a signal came before it was done.
bool Trainer::validate_now() {
  reporter_.tell(Working{"validating"});
  auto result = parts_.validator->validate(InterruptGuard::interrupted);
  if (!result) return false;
  if (!result->undefined && !std::isfinite(result->figure)) {
    save();
    throw NotFinite(
        concat(run_.string(), ": the ", parts_.validator->lower_is_better() ? "validation loss" : "validation's figure",
               " after step ", state_.step, " is ", result->figure,
               result->not_finite.empty() ? "" : concat(": values that are not finite begin in ", result->not_finite),
               "; the state is saved; a lower --learning-rate may help"));
  }
  io::Json line = {{"step", state_.step}};
  line.update(result->line);
  write(line);
  reporter_.tell(Logged{Logged::Kind::validation, state_.step, line, result->text});
  if (log_ && options_.keep_best && !result->undefined && best_.beaten_by(result->figure)) {
    lock_->require_in_place();
    best_.save(state_.step, result->figure, parts_.save_best);
  }
  speed_.start_window();
  return true;
}

// Rank 0 looks at its model, which is that of all. False when a signal came before it was done.
bool Trainer::look() {
  bool stopped = false;
  if (log_) {
    reporter_.tell(Working{"looking at the attention"});
    const auto seen = parts_.monitor(state_.step, InterruptGuard::interrupted);
    stopped = !seen;
    if (seen) {
      lock_->require_in_place();
      log_->write(seen->line, seen->scalars);
      reporter_.tell(Logged{Logged::Kind::attention, state_.step, seen->line, seen->text});
    }
  }
  speed_.start_window();
  return world_.sum(stopped ? 1.0 : 0.0) == 0;
}

// The others wait, so that none ends while rank 0 still writes.
void Trainer::save() {
  if (saved_step_ == state_.step) return;
  if (world_.is_first()) {
    lock_->require_in_place();
    state_.rows = parts_.source.position(), state_.ranks = world_.size(), state_.options = parts_.options;
    auto state = state_;
    state.seconds += seconds_since(started_);
    auto json = to_json(state);
    json.update(parts_.keys);
    checkpoints_.save(parts_.model, *optimizer_, json);
    model::save_model(parts_.model, run_);
  }
  world_.barrier();
  saved_step_ = state_.step;
  speed_.start_window();
}

io::Json Trainer::final_figures() const {
  io::Json final = {{"step", state_.step},
                    {"parameters", parts_.model->config.parameters()},
                    {"loss", log_->step().value("loss", 0.0)}};
  if (speed_.kept_steps() > 0)
    final[unit_a_second()] = std::round(parts_.source.units_a_step() / speed_.kept_seconds_a_step());
  for (const auto& [key, value] : log_->validation().items())
    if (key != "step" && value.is_number_float()) final[key] = value;
  if (options_.patience > 0) final["stopped_early"] = state_.step < options_.steps;
  final["skipped"] = state_.skipped;
  final["seconds"] = std::round(state_.seconds + seconds_since(started_));
  final["peak_rss_mb"] = peak_rss_mb();
  final["kernel"] = attention::last_kernel();
  return final;
}

}  // namespace saobp::train
