#include "saobp/recipes/pretraining.h"

#include "saobp/io/file.h"
#include "saobp/io/partial.h"
#include "saobp/io/words.h"
#include "saobp/model/weights.h"
#include "saobp/pretrained/model_folder.h"
#include "saobp/recipes/language_model.h"
#include "saobp/recipes/prepared_batches.h"
#include "saobp/recipes/resume.h"
#include "saobp/recipes/run_change.h"
#include "saobp/recipes/run_record.h"
#include "saobp/recipes/run_setup.h"
#include "saobp/recipes/run_text.h"
#include "saobp/recipes/start_model.h"
#include "saobp/recipes/validation.h"
#include "saobp/text/tokenizer.h"
#include "saobp/train/same_on_ranks.h"
#include "saobp/train/trainer.h"

namespace saobp::recipes {
namespace {

// Training rows as passes, made by another thread while the model works on those before.
class RowSource final : public train::BatchSource {
 public:
  RowSource(model::Model model, data::TrainingRows& rows, const TrainOptions& options, const train::World& world)
      : model_(std::move(model)), rows_(rows), options_(options), world_(world) {}

  // Of the model, or null.
  void regularise(train::Regularizers regularizers) { regularizers_ = std::move(regularizers); }

  std::vector<train::Pass> next(bool more) override {
    if (!prepared_) prepared_.emplace(rows_, options_.batch, options_.accumulation, world_);
    batches_ = prepared_->next(more);
    return passes_of(model_, batches_, regularizers_, world_.is_first());
  }
  uint64_t position() const override { return prepared_ ? prepared_->position() : rows_.position(); }
  void seek(uint64_t position) override {
    prepared_.reset();
    rows_.seek(position);
  }
  void give_back(uint64_t position) override { prepared_->give_back(position); }
  const char* unit() const override { return "tokens"; }
  double units_a_step() const override {
    return static_cast<double>(options_.batch * options_.accumulation * world_.size() * options_.length);
  }
  double units() const override { return static_cast<double>(position() * static_cast<uint64_t>(options_.length)); }
  io::Json newest() const override { return to_json(batches_); }

 private:
  model::Model model_;
  data::TrainingRows& rows_;
  const TrainOptions options_;
  const train::World& world_;
  train::Regularizers regularizers_ = nullptr;
  std::vector<data::Batch> batches_;  // of the step that runs; the passes refer to them
  std::optional<PreparedBatches> prepared_;
};

// The loss on held-out text.
class TextValidator final : public train::Validator {
 public:
  TextValidator(model::Model model, const data::ValidationRows& rows, int64_t batch, const train::World& world)
      : model_(std::move(model)), rows_(rows), batch_(batch), world_(world) {}

  const char* figure() const override { return "validation_loss"; }
  bool lower_is_better() const override { return true; }
  std::optional<train::Validated> validate(const std::function<bool()>& stop) override {
    const auto result = recipes::validate(model_, rows_, batch_, stop, world_);
    if (!result) return {};
    // A masked model's figures are named as such: they are no match for a causal one's.
    const bool causal = model_->config.causal();
    return train::Validated{result->loss,
                            {{figure(), result->loss},
                             {causal ? "perplexity" : "masked_lm_perplexity", result->perplexity()},
                             {causal ? "validation_tokens" : "validation_masked_tokens", result->predicted}},
                            train::format("validation loss %.4f, %s %.2f", result->loss,
                                          causal ? "perplexity" : "masked-LM perplexity", result->perplexity()),
                            result->not_finite};
  }

 private:
  model::Model model_;
  const data::ValidationRows& rows_;
  int64_t batch_;
  const train::World& world_;
};

train::TrainerOptions trainer_options(const PretrainOptions& options) {
  const auto& t = options.train;
  return {.steps = t.steps,
          .seed = static_cast<uint64_t>(t.seed),
          .optimizer = options.optimizer,
          .bucket_mb = options.distributed.bucket_mb,
          .log_every = t.log_every,
          .validate_every = t.validate_every,
          .checkpoint_every = t.checkpoint_every,
          .monitor_every = options.monitor.monitor_every,
          .keep_checkpoints = t.keep_checkpoints,
          .keep_best = t.keep_best,
          .max_skipped = t.max_skipped,
          .tensorboard = t.tensorboard,
          .record_batches = t.record_batches};
}

// One rank's part in a run, put together. What all ranks do they do in the same order; files are read and written by
// the first alone, which then says to the others where the run stands.
class Pretraining {
 public:
  enum class Kind { fresh, resumed };

  // A resumed run takes model and tokenizer from its own folder: the files that they came from may have changed.
  Pretraining(const PretrainOptions& options, const fs::path& run, const train::Reporter& reporter,
              const train::World& world, Kind kind)
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
        source_(model_, text_.training(), options.train, world) {
    require_same_on_ranks(keys_, world);
    source_.regularise(set_up(model_, options));
    if (text_.validation()) validator_.emplace(model_, *text_.validation(), options.train.batch, world);
    trainer_.emplace(trainer_options(options), parts(), run, world, reporter);
  }

  PretrainOutcome start() {
    world_.barrier();  // no folder for a run that some rank cannot begin
    if (world_.is_first()) {
      refuse_existing(run_);
      record_ = new_record(options_, config_, keys_, world_);
      if (!started_from_.record.is_null()) record_["from"] = started_from_.record;
      std::optional<train::RunLock> lock;
      const bool made = train::make_new_folder(run_, [&](const fs::path& folder) {  // whole and locked, or not there
        lock.emplace(folder);
        lock->take();
        io::write_json(folder / "run.json", record_);
        pretrained::save_tokenizer(*tokenizer_, config_, folder);
        model::save_model(model_, folder);
      });
      if (!made) refuse_existing(run_);
      lock->moved_to(run_);
      train::tell_missing_lock(*lock, run_, reporter_);
      trainer_->hold(std::move(*lock));
    }
    return train();
  }

  // `lock`: rank 0's.
  PretrainOutcome go_on(std::optional<train::RunLock> lock, bool other_steps) {
    if (world_.is_first()) {
      trainer_->hold(std::move(*lock));
      record_ = io::read_json(run_ / "run.json");
      if (record_.contains("keys")) require_same(record_["keys"], keys_, (run_ / "run.json").string(), run_);
      io::sweep_partial(run_);
      trainer_->checkpoints().sweep();
      const auto checkpoints = trainer_->checkpoints().newest_first();
      if (!checkpoints.empty()) load(checkpoints, other_steps);
      const auto& state = trainer_->state();
      reporter_.note(
          "", "resuming ", run_.string(),
          checkpoints.empty() ? " from the start: it has no checkpoint yet" : concat(" from step ", state.step));
      if (const auto changed = record_changes(record_, options_, state.step); !changed.empty()) {
        io::write_json(run_ / "run.json", record_);
        reporter_.note("changed", changed);
      }
      if (const auto schedule = new_schedule(state.options, options_, state.step); !schedule.empty())
        reporter_.note("schedule", schedule);
    }
    return train();
  }

 private:
  train::TrainerParts parts() {
    train::TrainerParts parts{.model = model_,
                              .source = source_,
                              .validator = validator_ ? &*validator_ : nullptr,
                              .keys = to_json(keys_),
                              .options = shared_options(options_),
                              .validation_keys = keys_.validation};
    parts.prepare = [this](int64_t step) { model_->strength_scale = strength_scale(options_.model, step); };
    if (strength_changes(options_.model))
      parts.extra = [this] { return io::Json{{"strengths", model::to_json(model_->strengths())}}; };
    parts.save_best = [this](const fs::path& folder) {
      pretrained::save_tokenizer(*tokenizer_, config_, folder);
      return model::save_model(model_, folder);
    };
    if (options_.monitor.monitor_every > 0)
      parts.monitor = [this](int64_t step, const std::function<bool()>& stop) -> std::optional<train::Looked> {
        const auto seen = look_at_attention(model_, *text_.validation(), options_.monitor, stop);
        if (!seen) return {};
        return train::Looked{seen->to_json(step), seen->scalars(), seen->summary()};
      };
    return parts;
  }

  void load(const std::vector<fs::path>& newest_first, bool other_steps) {
    const auto source = (run_ / "run.json").string();
    const auto recorded = pretrain_options_from_json(record_.at("options"), source).train.steps;
    const int64_t steps = options_.train.steps;
    auto& state = trainer_->state();
    state = load_newest_sound(run_, newest_first, std::max(recorded, steps), keys_, model_, trainer_->optimizer(),
                              reporter_);
    if (state.step > steps || (other_steps && state.step == steps)) refuse_steps(steps, run_, state.step);
    require_same_options(state.options, options_, run_.string());
    const int64_t rows = options_.train.batch * options_.train.accumulation;
    if (state.ranks != world_.size())
      reporter_.note("ranks", world_.size(), ", and ", state.ranks, " before: a step sees ",
                     io::counted(rows * world_.size(), "row"), " from here on, not ", rows * state.ranks);
  }

  PretrainOutcome train() {
    for (const auto& line : started_from_.lines) reporter_.note("from", line);
    announce(options_, config_, text_, world_, run_, reporter_);
    follow_first(world_, model_, trainer_->optimizer(), trainer_->state());
    const auto outcome = trainer_->train();
    if (outcome.interrupted) return {true, true, world_.rank(), outcome.step, {}};
    if (world_.is_first()) {
      record_["ranks"] = world_.size();
      record_["finished"] = train::timestamp();
      record_["final"] = outcome.final;
      trainer_->lock().require_in_place();
      io::write_json(run_ / "run.json", record_);
      trainer_->lock().require_in_place();
    }
    world_.barrier();
    return {false, true, world_.rank(), outcome.step, outcome.final};
  }

  const PretrainOptions options_;
  const fs::path run_;
  const train::Reporter& reporter_;
  const train::World& world_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  StartedModel started_from_;
  model::Model model_;
  model::ModelConfig config_;
  RunText text_;
  const RunKeys keys_;
  RowSource source_;
  std::optional<TextValidator> validator_;
  std::optional<train::Trainer> trainer_;
  io::Json record_;  // rank 0's
};

}  // namespace

PretrainOutcome begin_run(const PretrainOptions& options, const fs::path& run, const train::Reporter& reporter,
                          const train::World& world) {
  return Pretraining(options, run, reporter, world, Pretraining::Kind::fresh).start();
}

PretrainOutcome continue_run(const PretrainOptions& options, const fs::path& run, const train::Reporter& reporter,
                             const train::World& world, std::optional<train::RunLock> lock, bool more_steps) {
  return Pretraining(options, run, reporter, world, Pretraining::Kind::resumed).go_on(std::move(lock), more_steps);
}

}  // namespace saobp::recipes
