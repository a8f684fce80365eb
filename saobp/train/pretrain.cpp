#include "saobp/train/pretrain.h"

#include <cmath>
#include <cstdio>
#include <limits>

#include "saobp/data/rows.h"
#include "saobp/io/file.h"
#include "saobp/text/tokenizer.h"
#include "saobp/train/interrupt.h"
#include "saobp/train/prepared_batches.h"
#include "saobp/train/run_log.h"
#include "saobp/train/run_setup.h"
#include "saobp/train/step.h"
#include "saobp/train/validation.h"
#include "saobp/train/wording.h"

namespace saobp::train {
namespace {

class Pretraining {
 public:
  enum class Kind { fresh, resumed };

  // A resumed run takes model and tokenizer from its own folder: the files that they came from may have changed.
  Pretraining(const PretrainOptions& options, const fs::path& run, const Reporter& reporter, Kind kind)
      : options_(options),
        run_(run),
        reporter_(reporter),
        tokenizer_(
            text::load_tokenizer(kind == Kind::fresh ? fs::path(options.model.tokenizer) : run / "tokenizer.json")),
        config_(kind == Kind::fresh
                    ? resolve_model(options.model, vocabulary_facts(options.model, *tokenizer_), options.train.length)
                    : resumed_model(options.model, run / "config.json")),
        corpus_(options.corpus, *tokenizer_, tokenizing(), static_cast<int>(options.train.threads)),
        rows_(corpus_, *tokenizer_, row_format(), seed()),
        checkpoints_(run, options.train.keep_checkpoints) {
    if (!options.train.validation.empty()) {
      validation_corpus_.emplace(validation_corpus(options), *tokenizer_, tokenizing(),
                                 static_cast<int>(options.train.threads));
      validation_rows_.emplace(*validation_corpus_, *tokenizer_, row_format(), data::Part::all,
                               static_cast<uint64_t>(options.train.validation_rows));
    } else if (options.corpus.holdout > 0) {
      validation_rows_.emplace(corpus_, *tokenizer_, row_format(), data::Part::held_out,
                               static_cast<uint64_t>(options.train.validation_rows));
    }

    model_ = model::make_model(config_, seed());
    if (options.model.sinusoidal_positions) model_->set_sinusoidal_positions();
    if (options.model.learn_strength != LearnStrength::none) model_->learn_strengths();
    warm_up_strength();
    regularizers_ = add_regularizers(options.regularizers, model_);
    optimizer_.emplace(parameters_of(*model_), options.optimizer);
    model_->train();
  }

  PretrainOutcome start() {
    io::make_folder(run_);
    record_ = {{"command", "pretrain"},   {"options", to_json(options_)},
               {"model", model_record()}, {"seed", options_.train.seed},
               {"host", describe_host()}, {"started", timestamp()},
               {"finished", nullptr},     {"final", nullptr}};
    try {
      io::write_json(run_ / "run.json", record_);
      io::write_file(run_ / "tokenizer.json", tokenizer_->to_json());
      model::save_model(model_, run_);
    } catch (...) {  // a folder that can't be resumed must not be in the way of the next try
      std::error_code ignored;
      fs::remove_all(run_, ignored);
      throw;
    }
    return train();
  }

  PretrainOutcome go_on() {
    record_ = io::read_json(run_ / "run.json");
    checkpoints_.sweep();
    const auto checkpoints = checkpoints_.newest_first();
    if (checkpoints.empty())
      reporter_.line(concat("resuming ", run_.string(), " from the start: it has no checkpoint yet"));
    else
      load_newest_sound(checkpoints);
    return train();
  }

 private:
  // A damaged checkpoint is passed over, aloud; Error when none is sound.
  void load_newest_sound(const std::vector<fs::path>& newest_first) {
    for (size_t i = 0;; ++i) {
      try {
        restore(Checkpoints::load(newest_first[i], model_, *optimizer_), (newest_first[i] / "state.json").string());
        reporter_.line(concat("resuming ", run_.string(), " from step ", step_));
        return;
      } catch (const Error& error) {
        if (i + 1 == newest_first.size()) throw;
        reporter_.line(concat("checkpoint  ", newest_first[i].filename().string(), " is passed over: ", error.what()));
      }
    }
  }

  void restore(const io::Json& state, const std::string& source) {
    if (io::require<std::vector<std::string>>(state, "corpus", source) != corpus_keys())
      fail(source, ": the text in --corpus was changed since the run began (", corpus_.tokens(),
           " tokens now); a resumed run needs the same text");
    step_ = io::require<int64_t>(state, "step", source);
    rows_.seek(io::require<uint64_t>(state, "rows", source));
    skipped_ = io::require<int64_t>(state, "skipped", source);
    skipped_in_a_row_ = io::require<int64_t>(state, "skipped_in_a_row", source);
    seconds_before_ = io::require<double>(state, "seconds", source);
    saved_step_ = step_;
    warm_up_strength();
  }

  void warm_up_strength() { model_->strength_scale = strength_scale(options_.model, step_); }

  uint64_t seed() const { return static_cast<uint64_t>(options_.train.seed); }

  data::RowFormat row_format() const {
    return {.length = options_.train.length,
            .pack = options_.corpus.pack,
            .masking = config_.causal() ? std::nullopt : std::optional(options_.masking)};
  }

  // A masked model's figures are named as such: they are no match for a causal one's.
  const char* perplexity_key() const { return config_.causal() ? "perplexity" : "masked_lm_perplexity"; }
  const char* predicted_key() const { return config_.causal() ? "validation_tokens" : "validation_masked_tokens"; }

  data::Corpus::Progress tokenizing() const {
    return [this](const data::CorpusProgress& p) {
      if (InterruptGuard::interrupted()) throw Interrupted();
      reporter_.progress(
          concat("tokenising ", p.source, ": ", p.total_bytes ? 100 * p.bytes / p.total_bytes : 100, " %"), false);
    };
  }

  io::Json model_record() const {
    return {{"name", options_.model.model},
            {"parameters", config_.parameters()},
            {"attention", io::enum_name(config_.refined_attention.attention)},
            {"strength", config_.refined_attention.strength},
            {"layers", config_.num_hidden_layers},
            {"hidden_size", config_.hidden_size},
            {"heads", config_.num_attention_heads}};
  }

  // Names of the cache files, which are made of everything that the ids follow from.
  std::vector<std::string> corpus_keys() const {
    std::vector<std::string> keys;
    for (const auto& source : corpus_.sources()) keys.push_back(source.tokens.path().filename());
    return keys;
  }

  void announce() const {
    const auto& t = options_.train;
    const auto& r = config_.refined_attention;
    const std::string attention = io::enum_name(r.attention);
    reporter_.line(concat("model       ", options_.model.model, ", ", config_.parameters(), " parameters, ", attention,
                          " attention", r.strength > 0 ? format(", strength %.4g", r.strength) : "",
                          strength_changes(options_.model) ? " at the start" : ""));
    reporter_.line(
        concat("corpus      ", description_of(corpus_), ", ", rows_.rows_per_epoch(), " rows of ", t.length));
    if (validation_rows_)
      reporter_.line(concat("validation  ",
                            validation_corpus_ ? description_of(*validation_corpus_)
                                               : concat(validation_rows_->documents(), " documents held out"),
                            ", ", validation_rows_->rows(), " rows"));
    reporter_.line(concat("training    ", t.steps, " steps of ", t.batch * t.length * t.accumulation, " tokens, ",
                          at::get_num_threads(), " threads, into ", run_.string()));
  }

  PretrainOutcome train() {
    announce();
    const auto& t = options_.train;
    RunLog metrics(run_, step_, t.tensorboard);
    // A run that was stopped between a step and its validation makes up for it.
    bool validated = step_ == 0;
    for (const auto& line : metrics.kept()) {
      const std::string source = (run_ / "metrics.jsonl").string();
      if (line.contains("loss")) last_loss_ = io::require<double>(line, "loss", source);
      if (!line.contains("validation_loss")) continue;
      last_validation_ = ValidationResult{io::require<double>(line, "validation_loss", source),
                                          io::require<int64_t>(line, predicted_key(), source)};
      best_loss_ = std::min(best_loss_, last_validation_->loss);
      validated = validated || line["step"] == step_;
    }
    batches_.emplace(rows_, t.batch, t.accumulation);
    started_ = window_start_ = Clock::now();
    bool running = validated || !validation_due() || validate_now(metrics);
    while (running && step_ < options_.train.steps && !InterruptGuard::interrupted()) {
      one_step(metrics);
      if (const int64_t every = options_.monitor.monitor_every; every > 0 && step_ % every == 0) monitor(metrics);
      if (validation_due()) running = validate_now(metrics);
      if (running && (step_ % options_.train.checkpoint_every == 0 || step_ == options_.train.steps)) save();
    }
    if (step_ < options_.train.steps || !running) {
      save();
      return {true, true, step_, {}};
    }
    return finish();
  }

  void one_step(RunLog& metrics) {
    const auto& t = options_.train;
    const uint64_t first_row = batches_->position();
    const auto batches = batches_->next(step_ + 1 < t.steps);
    const double rate = learning_rate(options_.optimizer, step_ + 1, t.steps);
    auto result = train_step(model_, *optimizer_, batches, rate, seed(), step_, regularizers_);
    ++step_;
    warm_up_strength();
    ++window_steps_;
    if (!std::isfinite(result.loss) || !std::isfinite(result.gradient_norm)) return skip(metrics, result, first_row);
    skipped_in_a_row_ = 0;
    last_loss_ = result.loss;
    const double elapsed = seconds_since(window_start_);
    const double tokens_per_s = static_cast<double>(window_steps_ * t.batch * t.length * t.accumulation) / elapsed;
    const bool due = step_ % t.log_every == 0 || step_ == t.steps;
    const double left = static_cast<double>(t.steps - step_) * elapsed / static_cast<double>(window_steps_);
    reporter_.progress(format("step %lld/%lld  loss %.4f  %.0f tokens/s  %s left", static_cast<long long>(step_),
                              static_cast<long long>(t.steps), result.loss, tokens_per_s, duration(left).c_str()),
                       due);
    if (!due) return;
    io::Json line = {{"step", step_},
                     {"loss", result.loss},
                     {"learning_rate", rate},
                     {"grad_norm", result.gradient_norm},
                     {"tokens", step_ * t.batch * t.length * t.accumulation},
                     {"tokens_per_s", std::round(tokens_per_s)}};
    if (strength_changes(options_.model)) line["strengths"] = model::to_json(model_->strengths());
    line.update(result.terms);
    metrics.write(line);
    training_seconds_ += elapsed;
    training_steps_ += window_steps_;
    start_window();
  }

  // The step made no update; the rows that it saw are named.
  void skip(RunLog& metrics, const StepResult& result, uint64_t first_row) {
    ++skipped_;
    ++skipped_in_a_row_;
    const auto written = [](double number) {
      return std::isfinite(number) ? io::Json(number) : io::Json(concat(number));
    };
    metrics.write({{"step", step_},
                   {"skipped_loss", written(result.loss)},
                   {"skipped_grad_norm", written(result.gradient_norm)},
                   {"rows", {first_row, batches_->position() - 1}},
                   {"skipped", skipped_}});
    const std::string what = concat("step ", step_, " was skipped: the loss is ", result.loss, ", the gradient's norm ",
                                    result.gradient_norm, "; rows ", first_row, " to ", batches_->position() - 1);
    reporter_.line(what);
    if (skipped_in_a_row_ < options_.train.max_skipped) return;
    save();
    fail(run_.string(), ": ", what, ", the ", skipped_in_a_row_,
         " th in a row; the state is saved; a lower --learning-rate or a longer --warmup-steps may help");
  }

  void start_window() {
    window_start_ = Clock::now();
    window_steps_ = 0;
  }

  bool validation_due() const {
    return validation_rows_ && (step_ % options_.train.validate_every == 0 || step_ == options_.train.steps);
  }

  // False when a signal came before it was done.
  bool validate_now(RunLog& metrics) {
    reporter_.progress("validating …", false);
    auto result = validate(model_, *validation_rows_, options_.train.batch, InterruptGuard::interrupted);
    if (!result) return false;
    if (!std::isfinite(result->loss)) {
      save();
      fail(run_.string(), ": the validation loss after step ", step_, " is ", result->loss,
           "; the state is saved; a lower --learning-rate may help");
    }
    metrics.write({{"step", step_},
                   {"validation_loss", result->loss},
                   {perplexity_key(), result->perplexity()},
                   {predicted_key(), result->predicted}});
    reporter_.line(format("step %lld  validation loss %.4f, %s %.2f", static_cast<long long>(step_), result->loss,
                          config_.causal() ? "perplexity" : "masked-LM perplexity", result->perplexity()));
    last_validation_ = result;
    if (options_.train.keep_best && result->loss < best_loss_) save_best(*result);
    best_loss_ = std::min(best_loss_, result->loss);
    start_window();
    return true;
  }

  void monitor(RunLog& metrics) {
    const auto seen = look_at_attention(model_, *validation_rows_, options_.monitor);
    metrics.write(seen.to_json(step_), seen.scalars());
    reporter_.line(concat("step ", step_, "  ", seen.summary()));
    start_window();
  }

  // A model folder of its own, for every verb that takes one.
  void save_best(const ValidationResult& result) {
    replace_folder(run_ / "best", [&](const fs::path& folder) {
      model::save_model(model_, folder);
      io::write_file(folder / "tokenizer.json", tokenizer_->to_json());
      io::write_json(folder / "best.json", {{"step", step_}, {"validation_loss", result.loss}});
    });
  }

  void save() {
    if (saved_step_ == step_) return;
    checkpoints_.save(model_, *optimizer_,
                      {{"step", step_},
                       {"rows", batches_->position()},
                       {"skipped", skipped_},
                       {"skipped_in_a_row", skipped_in_a_row_},
                       {"corpus", corpus_keys()},
                       {"seconds", seconds_before_ + seconds_since(started_)}});
    model::save_model(model_, run_);
    saved_step_ = step_;
    start_window();
  }

  PretrainOutcome finish() {
    const auto& t = options_.train;
    io::Json final = {{"step", step_}, {"parameters", config_.parameters()}};
    final["loss"] = last_loss_;
    if (training_steps_ > 0)
      final["tokens_per_s"] =
          std::round(static_cast<double>(training_steps_ * t.batch * t.length * t.accumulation) / training_seconds_);
    if (last_validation_) {
      final["validation_loss"] = last_validation_->loss;
      final[perplexity_key()] = last_validation_->perplexity();
    }
    final["skipped"] = skipped_;
    final["seconds"] = std::round(seconds_before_ + seconds_since(started_));
    final["peak_rss_mb"] = peak_rss_mb();
    final["kernel"] = attention::last_kernel();
    record_["finished"] = timestamp();
    record_["final"] = final;
    io::write_json(run_ / "run.json", record_);
    return {false, true, step_, final};
  }

  const PretrainOptions options_;
  const fs::path run_;
  const Reporter& reporter_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  model::ModelConfig config_;
  data::Corpus corpus_;
  data::TrainingRows rows_;
  std::optional<data::Corpus> validation_corpus_;
  std::optional<data::ValidationRows> validation_rows_;
  model::LanguageModel model_;
  Regularizers regularizers_ = nullptr;
  std::optional<AdamW> optimizer_;
  Checkpoints checkpoints_;
  io::Json record_;

  int64_t saved_step_ = -1;  // of the newest checkpoint
  int64_t step_ = 0, window_steps_ = 0, training_steps_ = 0;
  double training_seconds_ = 0, seconds_before_ = 0, last_loss_ = 0;
  int64_t skipped_ = 0, skipped_in_a_row_ = 0;  // steps without an update
  std::optional<PreparedBatches> batches_;
  double best_loss_ = std::numeric_limits<double>::infinity();
  std::optional<ValidationResult> last_validation_;
  Clock::time_point started_, window_start_;
};

}  // namespace

PretrainOutcome pretrain(const PretrainOptions& options, const fs::path& run, const Reporter& reporter) {
  validate(options);
  refuse_ranks();
  if (fs::exists(run))
    fail(run.string(), ": exists already; choose another --output, or continue that run with --resume ", run.string());
  find_texts(options);
  set_threads(options);
  InterruptGuard guard;
  try {
    return Pretraining(with_absolute_paths(options), run, reporter, Pretraining::Kind::fresh).start();
  } catch (const Interrupted&) {
    return {true, false, 0, {}};
  }
}

PretrainOutcome resume(const fs::path& run, const Reporter& reporter) {
  const auto path = run / "run.json";
  auto record = io::read_json(path);
  if (!record.contains("options")) fail(path.string(), ": \"options\" is missing: not the record of a pretraining run");
  if (record.contains("finished") && !record["finished"].is_null())
    fail(run.string(), ": this run is finished; there is nothing to resume");
  refuse_ranks();
  auto options = pretrain_options_from_json(record["options"], path.string() + ": options");
  validate(options);
  set_threads(options);
  InterruptGuard guard;
  try {
    return Pretraining(options, run, reporter, Pretraining::Kind::resumed).go_on();
  } catch (const Interrupted&) {
    return {true, true, 0, {}};
  }
}

}  // namespace saobp::train
