#include "saobp/recipes/pretraining.h"

#include "saobp/io/words.h"
#include "saobp/model/weights.h"
#include "saobp/pretrained/model_folder.h"
#include "saobp/recipes/language_model.h"
#include "saobp/recipes/prepared_batches.h"
#include "saobp/recipes/run_record.h"
#include "saobp/recipes/start_model.h"
#include "saobp/recipes/validation.h"
#include "saobp/text/tokenizer.h"

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

class Pretraining final : public Composition {
 public:
  Pretraining(const PretrainOptions& options, const RunPlace& place)
      : options_(options),
        place_(place),
        tokenizer_(text::load_tokenizer(place.resumed ? place.run / "tokenizer.json" : tokenizer_of(options.model))),
        started_from_(place.resumed ? resume_model(options, place.run) : start_model(options, *tokenizer_)),
        model_(started_from_.model),
        config_(model_->config),
        text_(options, *tokenizer_, config_.causal(), place.world, place.reporter),
        source_(model_, text_.training(), options.train, place.world) {
    regularizers_ = set_up(model_, options);
    source_.regularise(regularizers_);
    if (text_.validation()) validator_.emplace(model_, *text_.validation(), options.train.batch, place.world);
  }

  train::TrainerOptions trainer_options() const override { return recipes::trainer_options(options_); }

  RunKeys keys() const override {
    return {tokenizer_key(*tokenizer_, "--tokenizer"),
            model_key(config_, "--model"),
            {"corpus", "--corpus", text_.keys()},
            {"validation", "--validation", text_.validation_keys()}};
  }

  io::Json record() const override {
    const auto& model = options_.model;
    io::Json record = {{"model", describe_model(model.from.empty() ? model.model : model.from, config_)}};
    if (!started_from_.record.is_null()) record["from"] = started_from_.record;
    return record;
  }

  void write_folder(const fs::path& folder) const override {
    pretrained::save_tokenizer(*tokenizer_, config_, folder);
    model::save_model(model_, folder);
  }

  void begin_again() override {
    if (options_.model.from.empty()) return;
    model::load_weights(model_, place_.run / "model.safetensors");
    model_->keep_sigma();
    if (regularizers_) regularizers_->begin(model_);
  }

  void announce() const override {
    for (const auto& line : started_from_.lines) place_.reporter.note("from", line);
    recipes::announce(options_, config_, text_, place_.world, place_.run, place_.reporter);
  }

  int64_t rows_a_step() const override { return options_.train.batch * options_.train.accumulation; }

  train::TrainerParts trainer_parts() override {
    train::TrainerParts parts{.model = model_,
                              .source = source_,
                              .validator = validator_ ? &*validator_ : nullptr,
                              .validation_keys = text_.validation_keys()};
    parts.prepare = [this](int64_t step) { model_->strength_scale = strength_scale(options_.model, step); };
    if (strength_changes(options_.model))
      parts.extra = [this] { return io::Json{{"strengths", model::to_json(model_->strengths())}}; };
    parts.save_best = [this](const fs::path& folder) {
      pretrained::save_tokenizer(*tokenizer_, config_, folder);
      return model::save_model(model_, folder);
    };
    if (options_.monitor.monitor_every > 0)
      parts.monitor = [this](int64_t step, const std::function<bool()>& stop) -> std::optional<train::Looked> {
        const auto batch = text_.validation()->batch(0, options_.monitor.monitor_rows);
        const auto seen = look_at_attention(model_, inputs_of(batch), options_.monitor, stop);
        if (!seen) return {};
        return train::Looked{seen->to_json(step), seen->scalars(), seen->summary()};
      };
    return parts;
  }

 private:
  const PretrainOptions options_;
  const RunPlace place_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  StartedModel started_from_;
  model::Model model_;
  model::ModelConfig config_;
  RunText text_;
  RowSource source_;
  train::Regularizers regularizers_ = nullptr;
  std::optional<TextValidator> validator_;
};

// Behind the strength in words.
std::string how_strength_changes(const ModelOptions& options) {
  const bool grows = options.strength_warmup_steps > 0, learned = options.learn_strength != LearnStrength::none;
  return concat(grows || learned ? ", which " : "",
                grows ? concat("grows from 0 over ", io::counted(options.strength_warmup_steps, "step")) : "",
                grows && learned ? " and " : "",
                learned ? concat("is learned for each ", io::enum_name(options.learn_strength)) : "");
}

}  // namespace

std::unique_ptr<Composition> make_pretraining(const PretrainOptions& options, const RunPlace& place) {
  return std::make_unique<Pretraining>(options, place);
}

void announce(const PretrainOptions& options, const model::ModelConfig& config, const RunText& text,
              const train::World& world, const fs::path& run, const train::Reporter& reporter) {
  const auto& t = options.train;
  reporter.note("model", model_in_words(options.model.from.empty() ? options.model.model : options.model.from, config),
                how_strength_changes(options.model));
  text.announce(reporter);
  reporter.note("training", io::counted(t.steps, "step"), " of ",
                io::counted(t.batch * t.accumulation * world.size() * t.length, "token"), ", ",
                io::counted(at::get_num_threads(), "thread"),
                world.size() > 1 ? concat(" on each of ", world.size(), " ranks") : "", ", into ", run.string());
  if (const int64_t warmup = options.optimizer.warmup_steps; warmup >= t.steps)
    reporter.note("warm-up", "of ", io::counted(warmup, "step"), ", longer than the run: the learning rate ",
                  "ends at ", train::format("%.3g", train::learning_rate(options.optimizer, t.steps, t.steps)), " of ",
                  train::format("%.3g", options.optimizer.learning_rate));
}

}  // namespace saobp::recipes
