#include "saobp/recipes/dry_run.h"

#include <unistd.h>

#include <cmath>

#include "saobp/recipes/language_model.h"
#include "saobp/recipes/prepared_batches.h"
#include "saobp/recipes/pretraining.h"
#include "saobp/recipes/run_setup.h"
#include "saobp/recipes/start_model.h"
#include "saobp/text/tokenizer.h"
#include "saobp/train/interrupt.h"
#include "saobp/train/wording.h"

namespace saobp::recipes {
namespace {

constexpr int64_t kSteps = 3;
constexpr double kEnoughSeconds = 20;

// A folder for token caches that shows those of the real one, and goes with all that is made in it.
class TemporaryCache {
 public:
  explicit TemporaryCache(const fs::path& real)
      : folder_(fs::temp_directory_path() / concat("saobp-dry-run-", ::getpid())) {
    fs::create_directories(folder_);
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(real, none))
      if (entry.path().extension() == ".ids")
        fs::create_symlink(fs::absolute(entry.path()), folder_ / entry.path().filename());
  }
  ~TemporaryCache() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  TemporaryCache(const TemporaryCache&) = delete;

  std::string path() const { return folder_.string(); }

 private:
  fs::path folder_;
};

int64_t validations(const TrainOptions& t) { return (t.steps + t.validate_every - 1) / t.validate_every; }

// As the trainer sets a run up, without its folder.
DryRun measure(const PretrainOptions& options, const train::Reporter& reporter, const train::World& world) {
  const auto& t = options.train;
  const auto tokenizer = text::load_tokenizer(tokenizer_of(options.model));
  const auto from = start_model(options, *tokenizer);
  auto model = from.model;
  const auto& config = model->config;
  RunText text(options, *tokenizer, config.causal(), world, reporter);
  const auto regularizers = set_up(model, options);
  const auto parameters = train::parameters_of(*model);
  train::AdamW optimizer(parameters, options.optimizer);
  train::GradientReducer reducer(world, model::tensors_of(parameters), options.distributed.bucket_mb << 20);
  model->train();
  for (const auto& line : from.lines) reporter.note("from", line);
  announce(options, config, text, world, "nothing: this is a dry run", reporter);

  DryRun run;
  PreparedBatches batches(text.training(), t.batch, t.accumulation, world);
  train::Clock::time_point started;
  for (int64_t step = 0; step <= kSteps; ++step) {
    if (train::InterruptGuard::interrupted()) throw train::Interrupted();
    if (step == 1) started = train::Clock::now();  // the first one takes memory and makes tables
    reporter.tell(train::Working{concat("measuring: step ", step + 1)});
    train_step(model, optimizer, batches.next(step < kSteps),
               train::learning_rate(options.optimizer, step + 1, t.steps), static_cast<uint64_t>(t.seed), step, reducer,
               regularizers, train::InterruptGuard::interrupted);
    run.measured_steps = step;
    if (step > 0 && train::seconds_since(started) > kEnoughSeconds) break;
  }
  run.seconds_a_step = train::seconds_since(started) / static_cast<double>(run.measured_steps);
  run.parameters = config.parameters();
  run.steps = t.steps;
  run.rows = t.steps * t.batch * t.accumulation;
  run.tokens = run.rows * t.length;
  run.corpus_rows = static_cast<int64_t>(text.training().rows_per_epoch());
  run.validation_rows = text.validation() ? static_cast<int64_t>(text.validation()->rows()) : 0;
  const double passes = std::ceil(static_cast<double>(run.validation_rows) / static_cast<double>(t.batch));
  const double a_pass = run.seconds_a_step / static_cast<double>(t.accumulation);
  run.seconds =
      static_cast<double>(t.steps) * run.seconds_a_step + static_cast<double>(validations(t)) * passes * a_pass / 3;
  run.peak_rss_mb = train::peak_rss_mb();
  const double weights = 4.0 * static_cast<double>(run.parameters) * (t.dtype == Dtype::f64 ? 2 : 1);
  const auto kept =
      static_cast<double>(std::min(t.keep_checkpoints, (t.steps + t.checkpoint_every - 1) / t.checkpoint_every));
  run.folder_bytes = weights * (1 + 3 * kept + (t.keep_best && run.validation_rows > 0 ? 1 : 0));
  return run;
}

}  // namespace

io::Json DryRun::to_json() const {
  return {{"parameters", parameters},
          {"steps", steps},
          {"tokens", tokens},
          {"rows", rows},
          {"corpus_rows", corpus_rows},
          {"epochs", epochs()},
          {"validation_rows", validation_rows},
          {"measured_steps", measured_steps},
          {"seconds_a_step", seconds_a_step},
          {"seconds", seconds},
          {"peak_rss_mb", peak_rss_mb},
          {"folder_bytes", folder_bytes}};
}

std::optional<DryRun> dry_run(const PretrainOptions& options, const train::Reporter& reporter) {
  check(options);
  train::refuse_ranks("pretrain --dry-run");
  find_texts(options);
  if (options.train.threads > 0) at::set_num_threads(static_cast<int>(options.train.threads));
  const TemporaryCache cache(data::cache_folder(options.corpus.cache));
  auto own = options;
  own.corpus.cache = cache.path();
  const train::InterruptGuard guard;
  try {
    return measure(own, reporter, train::World());
  } catch (const train::Interrupted&) {
    return std::nullopt;
  }
}

}  // namespace saobp::recipes
