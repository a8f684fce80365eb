#include "saobp/train/pretraining.h"

#include <cmath>

#include "saobp/io/file.h"
#include "saobp/io/partial.h"
#include "saobp/io/words.h"
#include "saobp/pretrained/model_folder.h"
#include "saobp/text/tokenizer.h"
#include "saobp/train/best_model.h"
#include "saobp/train/interrupt.h"
#include "saobp/train/prepared_batches.h"
#include "saobp/train/resume.h"
#include "saobp/train/run_change.h"
#include "saobp/train/run_log.h"
#include "saobp/train/run_record.h"
#include "saobp/train/run_setup.h"
#include "saobp/train/run_text.h"
#include "saobp/train/same_on_ranks.h"
#include "saobp/train/skipped_step.h"
#include "saobp/train/speed.h"
#include "saobp/train/start_model.h"
#include "saobp/train/validation.h"

namespace saobp::train {
namespace {

// One rank's part in a run. What all ranks do they do in the same order; files are read and written by the first alone,
// which then says to the others where the run stands.
class Pretraining {
 public:
  enum class Kind { fresh, resumed };

  // A resumed run takes model and tokenizer from its own folder: the files that they came from may have changed.
  Pretraining(const PretrainOptions& options, const fs::path& run, const Reporter& reporter, const World& world,
              Kind kind)
      : options_(options),
        run_(run),
        reporter_(reporter),
        world_(world),
        tokenizer_(text::load_tokenizer(kind == Kind::fresh ? tokenizer_of(options.model) : run / "tokenizer.json")),
        started_from_(kind == Kind::fresh ? start_model(options, *tokenizer_) : resume_model(options, run)),
        model_(started_from_.model),
        config_(model_->config),
        text_(options, *tokenizer_, config_.causal(), world, reporter),
        keys_{text_.keys(), text_.validation_keys(), key_of(*tokenizer_), key_of(config_)},
        checkpoints_(run, options.train.keep_checkpoints),
        best_(run, keys_.validation) {
    require_same_on_ranks(keys_, world);
    if (options.model.sinusoidal_positions) model_->set_sinusoidal_positions();
    set_dtype(model_, options.train.dtype);
    if (options.model.learn_strength != LearnStrength::none) model_->learn_strengths();
    warm_up_strength();
    regularizers_ = add_regularizers(options.regularizers, model_);
    const auto parameters = parameters_of(*model_);
    optimizer_.emplace(parameters, options.optimizer);
    reducer_.emplace(world, model::tensors_of(parameters), options.distributed.bucket_mb << 20);
    model_->train();
  }

  PretrainOutcome start() {
    world_.barrier();  // no folder for a run that some rank cannot begin
    if (world_.is_first()) {
      refuse_existing(run_);
      record_ = new_record(options_, config_, keys_, world_);
      if (!started_from_.record.is_null()) record_["from"] = started_from_.record;
      const bool made = make_new_folder(run_, [&](const fs::path& folder) {  // whole and locked, or not there
        lock_.emplace(folder);
        lock_->take();
        io::write_json(folder / "run.json", record_);
        pretrained::save_tokenizer(*tokenizer_, config_, folder);
        model::save_model(model_, folder);
      });
      if (!made) refuse_existing(run_);
      lock_->moved_to(run_);
      tell_missing_lock(*lock_, run_, reporter_);
    }
    return train();
  }

  // `lock`: rank 0's.
  PretrainOutcome go_on(std::optional<RunLock> lock, bool other_steps) {
    if (world_.is_first()) {
      lock_.emplace(std::move(*lock));
      record_ = io::read_json(run_ / "run.json");
      if (record_.contains("keys")) require_same(record_["keys"], keys_, (run_ / "run.json").string(), run_);
      io::sweep_partial(run_);
      checkpoints_.sweep();
      const auto checkpoints = checkpoints_.newest_first();
      if (!checkpoints.empty()) load(checkpoints, other_steps);
      reporter_.line(concat(
          "resuming ", run_.string(),
          checkpoints.empty() ? " from the start: it has no checkpoint yet" : concat(" from step ", state_.step)));
      if (const auto changed = record_changes(record_, options_, state_.step); !changed.empty()) {
        io::write_json(run_ / "run.json", record_);
        reporter_.line("changed     " + changed);
      }
      if (const auto schedule = new_schedule(state_.options, options_, state_.step); !schedule.empty())
        reporter_.line("schedule    " + schedule);
    }
    return train();
  }

 private:
  void load(const std::vector<fs::path>& newest_first, bool other_steps) {
    const auto source = (run_ / "run.json").string();
    const auto recorded = pretrain_options_from_json(record_.at("options"), source).train.steps;
    const int64_t steps = options_.train.steps;
    state_ = load_newest_sound(run_, newest_first, std::max(recorded, steps), keys_, model_, *optimizer_, reporter_);
    if (state_.step > steps || (other_steps && state_.step == steps)) refuse_steps(steps, run_, state_.step);
    require_same_options(state_.options, options_, run_.string());
    if (state_.ranks != world_.size())
      reporter_.line(concat("ranks       ", world_.size(), ", and ", state_.ranks, " before: a step sees ",
                            io::counted(rows_a_step(), "row"), " from here on, not ",
                            rows_a_step() / world_.size() * state_.ranks));
  }

  int64_t rows_a_step() const { return options_.train.batch * options_.train.accumulation * world_.size(); }
  double tokens_a_step() const { return static_cast<double>(rows_a_step() * options_.train.length); }

  void warm_up_strength() { model_->strength_scale = strength_scale(options_.model, state_.step); }

  // A masked model's figures are named as such: they are no match for a causal one's.
  const char* perplexity_key() const { return config_.causal() ? "perplexity" : "masked_lm_perplexity"; }
  const char* predicted_key() const { return config_.causal() ? "validation_tokens" : "validation_masked_tokens"; }

  PretrainOutcome train() {
    for (const auto& line : started_from_.lines) reporter_.line(line);
    announce(options_, config_, text_, world_, run_, reporter_);
    follow_first(world_, model_, *optimizer_, state_);
    warm_up_strength();
    if (state_.step > 0) saved_step_ = state_.step;
    text_.training().seek(state_.rows);
    const auto& t = options_.train;
    if (world_.is_first()) log_.emplace(run_, state_.step, t.tensorboard);
    if (world_.is_first() && t.record_batches) batch_log_.emplace(run_ / "batches.jsonl", state_.step);
    for (const auto& damage : {log_ ? log_->damage() : "", batch_log_ ? batch_log_->damage() : ""})
      if (!damage.empty()) reporter_.line(concat("log         ", damage));
    if (log_ && t.keep_best) best_.go_on(state_.step, log_->lowest_validation_loss(), reporter_);
    batches_.emplace(text_.training(), t.batch, t.accumulation, world_);
    started_ = Clock::now();
    speed_.start_window();
    // A run that was stopped between a step and what was due after it makes up for that.
    bool running =
        (!missed(look_due(), log_ ? log_->looked() : -1) || look()) &&
        (!missed(validation_due(), log_ ? log_->validation().value("step", int64_t{-1}) : -1) || validate_now());
    while (running && state_.step < t.steps && !stopped()) {
      const int64_t before = state_.step;
      one_step();
      if (state_.step == before) break;
      if (look_due()) running = look();
      if (running && validation_due()) running = validate_now();
      if (running && (state_.step % t.checkpoint_every == 0 || state_.step == t.steps)) save();
    }
    if (state_.step < t.steps || !running) {
      save();
      return {true, true, world_.rank(), state_.step, {}};
    }
    return finish();
  }

  // Whether to end before the next step: a signal came, which several ranks agree upon in each step.
  bool stopped() const { return world_.size() == 1 ? InterruptGuard::interrupted() : stop_; }

  void one_step() {
    const auto& t = options_.train;
    const uint64_t first_row = batches_->position();
    const auto batches = batches_->next(state_.step + 1 < t.steps);
    if (batch_log_) batch_log_->write({{"step", state_.step + 1}, {"batches", to_json(batches)}});
    const double rate = learning_rate(options_.optimizer, state_.step + 1, t.steps);
    const auto result = train_step(model_, *optimizer_, batches, rate, static_cast<uint64_t>(t.seed), state_.step,
                                   *reducer_, regularizers_, InterruptGuard::interrupted);
    stop_ = result.stop;
    if (result.abandoned) return batches_->give_back(first_row);
    ++state_.step;
    warm_up_strength();
    speed_.count_step();
    if (!std::isfinite(result.loss) || !std::isfinite(result.gradient_norm)) return skip(result, first_row);
    state_.skipped_in_a_row = 0;
    const double tokens_per_s = tokens_a_step() / speed_.seconds_a_step();
    const bool due = state_.step % t.log_every == 0 || state_.step == t.steps;
    const double left = static_cast<double>(t.steps - state_.step) * speed_.seconds_a_step();
    reporter_.progress(format("step %lld/%lld  loss %.4f  %.0f tokens/s  %s left", static_cast<long long>(state_.step),
                              static_cast<long long>(t.steps), result.loss, tokens_per_s, duration(left).c_str()),
                       due);
    if (!due) return;
    io::Json line = {{"step", state_.step},
                     {"loss", result.loss},
                     {"learning_rate", rate},
                     {"grad_norm", result.gradient_norm},
                     {"tokens", batches_->position() * static_cast<uint64_t>(t.length)},
                     {"tokens_per_s", std::round(tokens_per_s)}};
    if (strength_changes(options_.model)) line["strengths"] = model::to_json(model_->strengths());
    line.update(result.terms);
    write(line);
    speed_.keep_window();
  }

  // The step made no update.
  void skip(const StepResult& result, uint64_t first_row) {
    ++state_.skipped;
    ++state_.skipped_in_a_row;
    const SkippedStep skipped{state_.step, result, first_row, batches_->position() - 1};
    write(skipped.to_json(state_.skipped));
    reporter_.line(skipped.text());
    if (state_.skipped_in_a_row < options_.train.max_skipped) return;
    save();
    fail(run_.string(), ": ", skipped.text(), "; ", io::counted(state_.skipped_in_a_row, "step"),
         " in a row; the state is saved; a lower --learning-rate or a longer --warmup-steps may help");
  }

  // To the log, which is rank 0's.
  void write(const io::Json& line) {
    if (!log_) return;
    lock_->require_in_place();
    log_->write(line);
  }

  bool validation_due() const {
    return text_.validation() &&
           (state_.step % options_.train.validate_every == 0 || state_.step == options_.train.steps);
  }

  bool look_due() const {
    return options_.monitor.monitor_every > 0 && state_.step % options_.monitor.monitor_every == 0;
  }

  // Whether what is due at the step where the run stands is not in the log, whose newest is of the step `last`.
  bool missed(bool due, int64_t last) const {
    return world_.sum(log_ && state_.step > 0 && due && last != state_.step ? 1.0 : 0.0) > 0;
  }

  // False when a signal came before it was done.
  bool validate_now() {
    reporter_.progress("validating …", false);
    auto result = validate(model_, *text_.validation(), options_.train.batch, InterruptGuard::interrupted, world_);
    if (!result) return false;
    if (!std::isfinite(result->loss)) {
      save();
      fail(run_.string(), ": the validation loss after step ", state_.step, " is ", result->loss,
           result->not_finite.empty() ? "" : concat(": values that are not finite begin in ", result->not_finite),
           "; the state is saved; a lower --learning-rate may help");
    }
    write({{"step", state_.step},
           {"validation_loss", result->loss},
           {perplexity_key(), result->perplexity()},
           {predicted_key(), result->predicted}});
    reporter_.line(format("step %lld  validation loss %.4f, %s %.2f", static_cast<long long>(state_.step), result->loss,
                          config_.causal() ? "perplexity" : "masked-LM perplexity", result->perplexity()));
    if (log_ && options_.train.keep_best && best_.beaten_by(result->loss)) {
      lock_->require_in_place();
      best_.save(model_, *tokenizer_, state_.step, result->loss);
    }
    speed_.start_window();
    return true;
  }

  // Rank 0 looks at its model's attention, which is that of all. False when a signal came before it was done.
  bool look() {
    bool stopped = false;
    if (log_) {
      reporter_.progress("looking at the attention …", false);
      const auto seen = look_at_attention(model_, *text_.validation(), options_.monitor, InterruptGuard::interrupted);
      stopped = !seen;
      if (seen) {
        lock_->require_in_place();
        log_->write(seen->to_json(state_.step), seen->scalars());
        reporter_.line(concat("step ", state_.step, "  ", seen->summary()));
      }
    }
    speed_.start_window();
    return world_.sum(stopped ? 1.0 : 0.0) == 0;
  }

  // The others wait, so that none ends while rank 0 still writes.
  void save() {
    if (saved_step_ == state_.step) return;
    if (world_.is_first()) {
      lock_->require_in_place();
      state_.rows = batches_->position(), state_.ranks = world_.size(), state_.options = shared_options(options_);
      auto state = state_;
      state.seconds += seconds_since(started_);
      checkpoints_.save(model_, *optimizer_, to_json(state, keys_));
      model::save_model(model_, run_);
    }
    world_.barrier();
    saved_step_ = state_.step;
    speed_.start_window();
  }

  PretrainOutcome finish() {
    io::Json final;
    if (world_.is_first()) {
      final = {{"step", state_.step}, {"parameters", config_.parameters()}, {"loss", log_->step().value("loss", 0.0)}};
      if (speed_.kept_steps() > 0) final["tokens_per_s"] = std::round(tokens_a_step() / speed_.kept_seconds_a_step());
      for (const auto* key : {"validation_loss", perplexity_key()})
        if (log_->validation().contains(key)) final[key] = log_->validation()[key];
      final["skipped"] = state_.skipped;
      final["seconds"] = std::round(state_.seconds + seconds_since(started_));
      final["peak_rss_mb"] = peak_rss_mb();
      final["kernel"] = attention::last_kernel();
      record_["ranks"] = world_.size();
      record_["finished"] = timestamp();
      record_["final"] = final;
      lock_->require_in_place();
      io::write_json(run_ / "run.json", record_);
      lock_->require_in_place();
    }
    world_.barrier();
    return {false, true, world_.rank(), state_.step, final};
  }

  const PretrainOptions options_;
  const fs::path run_;
  const Reporter& reporter_;
  const World& world_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  StartedModel started_from_;
  model::Model model_;
  model::ModelConfig config_;
  RunText text_;
  Regularizers regularizers_ = nullptr;
  std::optional<AdamW> optimizer_;
  std::optional<GradientReducer> reducer_;
  const RunKeys keys_;
  Checkpoints checkpoints_;
  BestModel best_;
  std::optional<RunLock> lock_;  // rank 0's
  io::Json record_;              // rank 0's
  std::optional<RunLog> log_;    // rank 0's
  std::optional<MetricsLog> batch_log_;

  RunState state_;           // its rows, ranks and seconds are those at the run's start or at the newest checkpoint
  int64_t saved_step_ = -1;  // of the newest checkpoint
  bool stop_ = false;        // some rank had a signal
  std::optional<PreparedBatches> batches_;
  Clock::time_point started_;
  Speed speed_;
};

}  // namespace

PretrainOutcome begin_run(const PretrainOptions& options, const fs::path& run, const Reporter& reporter,
                          const World& world) {
  return Pretraining(options, run, reporter, world, Pretraining::Kind::fresh).start();
}

PretrainOutcome continue_run(const PretrainOptions& options, const fs::path& run, const Reporter& reporter,
                             const World& world, std::optional<RunLock> lock, bool more_steps) {
  return Pretraining(options, run, reporter, world, Pretraining::Kind::resumed).go_on(std::move(lock), more_steps);
}

}  // namespace saobp::train
