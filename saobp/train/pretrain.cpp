#include "saobp/train/pretrain.h"

#include <cmath>

#include "saobp/io/file.h"
#include "saobp/io/partial.h"
#include "saobp/text/tokenizer.h"
#include "saobp/train/interrupt.h"
#include "saobp/train/prepared_batches.h"
#include "saobp/train/run_log.h"
#include "saobp/train/run_record.h"
#include "saobp/train/run_setup.h"
#include "saobp/train/run_state.h"
#include "saobp/train/run_text.h"
#include "saobp/train/skipped_step.h"
#include "saobp/train/speed.h"
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
        tokenizer_(
            text::load_tokenizer(kind == Kind::fresh ? fs::path(options.model.tokenizer) : run / "tokenizer.json")),
        config_(kind == Kind::fresh
                    ? resolve_model(options.model, vocabulary_facts(options.model, *tokenizer_), options.train.length)
                    : resumed_model(options.model, run / "config.json")),
        text_(options, *tokenizer_, config_.causal(), world, reporter),
        model_(model::make_model(config_, static_cast<uint64_t>(options.train.seed))),
        checkpoints_(run, options.train.keep_checkpoints) {
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
      record_ = new_record(options_, config_, world_);
      replace_folder(run_, [&](const fs::path& folder) {  // whole, or not there
        io::write_json(folder / "run.json", record_);
        io::write_file(folder / "tokenizer.json", tokenizer_->to_json());
        model::save_model(model_, folder);
      });
    }
    return train();
  }

  PretrainOutcome go_on() {
    if (world_.is_first()) {
      record_ = io::read_json(run_ / "run.json");
      io::sweep_partial(run_);
      checkpoints_.sweep();
      const auto checkpoints = checkpoints_.newest_first();
      if (!checkpoints.empty()) load(checkpoints);
      reporter_.line(concat(
          "resuming ", run_.string(),
          checkpoints.empty() ? " from the start: it has no checkpoint yet" : concat(" from step ", state_.step)));
    }
    return train();
  }

 private:
  void load(const std::vector<fs::path>& newest_first) {
    state_ = load_newest_sound(newest_first, options_.train.steps, text_.keys(), model_, *optimizer_, reporter_);
    if (state_.ranks != world_.size())
      reporter_.line(concat("ranks       ", world_.size(), ", and ", state_.ranks, " before: a step sees ",
                            rows_a_step(), " rows from here on, not ", rows_a_step() / world_.size() * state_.ranks));
  }

  int64_t rows_a_step() const { return options_.train.batch * options_.train.accumulation * world_.size(); }
  double tokens_a_step() const { return static_cast<double>(rows_a_step() * options_.train.length); }

  void warm_up_strength() { model_->strength_scale = strength_scale(options_.model, state_.step); }

  // A masked model's figures are named as such: they are no match for a causal one's.
  const char* perplexity_key() const { return config_.causal() ? "perplexity" : "masked_lm_perplexity"; }
  const char* predicted_key() const { return config_.causal() ? "validation_tokens" : "validation_masked_tokens"; }

  PretrainOutcome train() {
    announce(options_, config_, text_, world_, run_, reporter_);
    follow_first(world_, model_, *optimizer_, state_);
    warm_up_strength();
    if (state_.step > 0) saved_step_ = state_.step;
    text_.training().seek(state_.rows);
    const auto& t = options_.train;
    if (world_.is_first()) log_.emplace(run_, state_.step, t.tensorboard);
    if (world_.is_first() && t.record_batches) batch_log_.emplace(run_ / "batches.jsonl", state_.step);
    batches_.emplace(text_.training(), t.batch, t.accumulation, world_);
    started_ = Clock::now();
    speed_.start_window();
    bool running = !validation_missed() || validate_now();
    while (running && state_.step < t.steps && !stopped()) {
      one_step();
      if (const int64_t every = options_.monitor.monitor_every; every > 0 && state_.step % every == 0) monitor();
      if (validation_due()) running = validate_now();
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
                                   *reducer_, regularizers_, InterruptGuard::interrupted());
    ++state_.step;
    warm_up_strength();
    stop_ = result.stop;
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
    fail(run_.string(), ": ", skipped.text(), ", the ", state_.skipped_in_a_row,
         " th in a row; the state is saved; a lower --learning-rate or a longer --warmup-steps may help");
  }

  // To the log, which is rank 0's.
  void write(const io::Json& line) {
    if (log_) log_->write(line);
  }

  bool validation_due() const {
    return text_.validation() &&
           (state_.step % options_.train.validate_every == 0 || state_.step == options_.train.steps);
  }

  // A run that was stopped between a step and its validation makes up for it.
  bool validation_missed() const {
    const bool missed =
        log_ && state_.step > 0 && validation_due() && log_->validation().value("step", int64_t{-1}) != state_.step;
    return world_.sum(missed ? 1.0 : 0.0) > 0;
  }

  // False when a signal came before it was done.
  bool validate_now() {
    reporter_.progress("validating …", false);
    auto result = validate(model_, *text_.validation(), options_.train.batch, InterruptGuard::interrupted, world_);
    if (!result) return false;
    if (!std::isfinite(result->loss)) {
      save();
      fail(run_.string(), ": the validation loss after step ", state_.step, " is ", result->loss,
           "; the state is saved; a lower --learning-rate may help");
    }
    const bool best = log_ && result->loss < log_->lowest_validation_loss();
    write({{"step", state_.step},
           {"validation_loss", result->loss},
           {perplexity_key(), result->perplexity()},
           {predicted_key(), result->predicted}});
    reporter_.line(format("step %lld  validation loss %.4f, %s %.2f", static_cast<long long>(state_.step), result->loss,
                          config_.causal() ? "perplexity" : "masked-LM perplexity", result->perplexity()));
    if (best && options_.train.keep_best) save_best(*result);
    speed_.start_window();
    return true;
  }

  void monitor() {
    if (!log_) return;
    const auto seen = look_at_attention(model_, *text_.validation(), options_.monitor);
    log_->write(seen.to_json(state_.step), seen.scalars());
    reporter_.line(concat("step ", state_.step, "  ", seen.summary()));
    speed_.start_window();
  }

  // A model folder of its own, for every verb that takes one.
  void save_best(const ValidationResult& result) {
    replace_folder(run_ / "best", [&](const fs::path& folder) {
      model::save_model(model_, folder);
      io::write_file(folder / "tokenizer.json", tokenizer_->to_json());
      io::write_json(folder / "best.json", {{"step", state_.step}, {"validation_loss", result.loss}});
    });
  }

  // The others wait, so that none ends while rank 0 still writes.
  void save() {
    if (saved_step_ == state_.step) return;
    if (world_.is_first()) {
      state_.rows = batches_->position(), state_.ranks = world_.size(), state_.corpus = text_.keys();
      auto state = state_;
      state.seconds += seconds_since(started_);
      checkpoints_.save(model_, *optimizer_, to_json(state));
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
      io::write_json(run_ / "run.json", record_);
    }
    world_.barrier();
    return {false, true, world_.rank(), state_.step, final};
  }

  const PretrainOptions options_;
  const fs::path run_;
  const Reporter& reporter_;
  const World& world_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  model::ModelConfig config_;
  RunText text_;
  model::LanguageModel model_;
  Regularizers regularizers_ = nullptr;
  std::optional<AdamW> optimizer_;
  std::optional<GradientReducer> reducer_;
  Checkpoints checkpoints_;
  io::Json record_;            // rank 0's
  std::optional<RunLog> log_;  // rank 0's
  std::optional<MetricsLog> batch_log_;

  RunState state_;           // its rows, ranks and seconds are those at the run's start or at the newest checkpoint
  int64_t saved_step_ = -1;  // of the newest checkpoint
  bool stop_ = false;        // some rank had a signal
  std::optional<PreparedBatches> batches_;
  Clock::time_point started_;
  Speed speed_;
};

PretrainOutcome go_on(const RunRecord& record, const fs::path& run, const Reporter& reporter, const World& world) {
  if (record.final.is_null())
    return Pretraining(record.options, run, reporter, world, Pretraining::Kind::resumed).go_on();
  // Some rank may have been lost after the end.
  if (!record.began_as(world.launch())) fail(run.string(), ": this run is finished; there is nothing to resume");
  reporter.line(concat(run.string(), ": this run was finished before the restart"));
  return {false, true, world.rank(), io::require<int64_t>(record.final, "step", run.string()), record.final};
}

// Work in which rank 0 alone speaks.
PretrainOutcome with_ranks(const PretrainOptions& options, const fs::path& run, const Reporter& reporter,
                           const std::function<PretrainOutcome(const World&, const Reporter&)>& work) {
  set_threads(options);
  PretrainOutcome outcome;
  among_ranks(options.distributed, [&](const World& world) {
    const Reporter silent;
    InterruptGuard guard;
    try {
      outcome = work(world, world.is_first() ? reporter : silent);
    } catch (const Interrupted&) {
      outcome = {true, fs::exists(run), world.rank(), 0, {}};
    }
  });
  return outcome;
}

}  // namespace

PretrainOutcome pretrain(const PretrainOptions& options, const fs::path& run, const Reporter& reporter) {
  validate(options);
  const auto kept = with_absolute_paths(options);
  return with_ranks(kept, run, reporter, [&](const World& world, const Reporter& first) {
    const bool exists = world.sum(world.is_first() && fs::exists(run / "run.json") ? 1.0 : 0.0) > 0;
    if (exists) {
      const auto record = read_record(run);
      if (!record.began_as(world.launch())) refuse_existing(run);
      require_same_options(record.options, kept, (run / "run.json").string());
      return go_on(record, run, first, world);
    }
    refuse_existing(run);
    find_texts(options);
    return Pretraining(kept, run, first, world, Pretraining::Kind::fresh).start();
  });
}

PretrainOutcome resume(const fs::path& run, const Reporter& reporter) {
  const auto record = read_record(run);
  validate(record.options);
  return with_ranks(record.options, run, reporter,
                    [&](const World& world, const Reporter& first) { return go_on(record, run, first, world); });
}

}  // namespace saobp::train
