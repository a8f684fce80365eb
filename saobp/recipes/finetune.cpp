#include "saobp/recipes/finetune.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "saobp/io/sealed_json.h"
#include "saobp/io/words.h"
#include "saobp/model/weights.h"
#include "saobp/pretrained/model_folder.h"
#include "saobp/recipes/evaluation.h"
#include "saobp/recipes/run_record.h"
#include "saobp/recipes/scored_split.h"
#include "saobp/recipes/task_batches.h"
#include "saobp/recipes/training_examples.h"
#include "saobp/recipes/validation.h"

namespace saobp::recipes {
namespace {

FinetuneOptions read(const io::Json& options) { return options_from_json<FinetuneOptions>(options, "options"); }

pretrained::Pretrained open(const FinetuneOptions& options, const tasks::Task& task, model::HeadKind head,
                            const RunPlace& place) {
  const auto change = [&](model::ModelConfig& config) {
    config.set_dropout(options.start.dropout);
    apply(options.refinement, config);
    set_learned(options.train.learn_strength, config);
    tasks::set_labels(task, config);
    fit_positions(config, options.train.length,
                  options.start.extend_positions ? Positions::stretched : Positions::kept);
  };
  if (!place.resumed)
    return pretrained::open(options.start.from, options.start.tokenizer,
                            {.head = head,
                             .seed = static_cast<uint64_t>(options.train.seed),
                             .new_head = options.start.new_head,
                             .change = change});
  auto model =
      model::make_model(model::read_config(place.run / "config.json"), static_cast<uint64_t>(options.train.seed), head);
  return {std::move(model), text::load_tokenizer(place.run / "tokenizer.json"), {}, {}, {}};
}

// Of a task's file what its rows and scores follow from, so that a run goes on when the rest is said otherwise.
std::string what_rows_follow_from(const tasks::Task& task) {
  auto json = task.json;
  for (const char* name : {"title", "source", "about", "suite", "presets", "folders", "recipe", "heads_of"})
    json.erase(name);
  return json.dump();
}

std::vector<int64_t> trained_items(const tasks::Objective& objective) {
  std::vector<int64_t> items;
  for (int64_t item = 0; item < objective.items(); ++item)
    if (objective.is_trained(item)) items.push_back(item);
  if (items.empty()) fail("no example of the training set teaches anything");
  return items;
}

class Finetuning final : public Composition {
 public:
  Finetuning(const FinetuneOptions& options, const RunPlace& place)
      : options_(options),
        place_(place),
        task_(with_windows(tasks::find_task(options.task.task, options.task.preset), options.train.overlap,
                           options.train.answer_windows_only)),
        opened_(open(options, task_, head_of(task_), place)),
        model_(opened_.model),
        config_(model_->config),
        train_(training_examples(task_, options.task, options.train.seed)),
        held_(held_back()),
        encoding_(train::Clock::now()),
        train_rows_(rows_of(train_)),
        encode_seconds_(train::seconds_since(encoding_)),
        batches_(model_, *train_rows_, trained_items(*train_rows_),
                 {options.train.batch, options.train.accumulation, options.train.group_by_length,
                  static_cast<uint64_t>(options.train.seed)},
                 place.world),
        dev_("dev", tasks::read_examples(task_, "dev", options.task.data), scoring()) {
    for (const auto& [name, split] : task_.also)
      if (tasks::has_split(task_, split, options.task.data))
        also_.try_emplace(name, split, tasks::read_examples(task_, split, options.task.data), scoring());
    if (auto note = note_on_shared(train_, dev_.examples()); !note.empty()) train_.notes.push_back(std::move(note));
    set_dtype(model_, options.train.dtype);
    if (learns_strength()) model_->learn_strengths();
    if (auto note = train_positions(*model_, tasks::longest(*train_rows_)); !note.empty())
      opened_.notes.push_back(std::move(note));
  }

  train::TrainerOptions trainer_options() const override {
    const auto& t = options_.train;
    const int64_t epoch = batches_.steps_an_epoch(), steps = epoch * t.epochs;
    auto optimizer = options_.optimizer;
    if (optimizer.warmup_steps == 0)
      optimizer.warmup_steps = static_cast<int64_t>(std::ceil(t.warmup_share * static_cast<double>(steps)));
    return {.steps = steps,
            .seed = static_cast<uint64_t>(t.seed),
            .optimizer = optimizer,
            .bucket_mb = options_.distributed.bucket_mb,
            .log_every = t.log_every,
            .validate_every = t.validate_every > 0 ? t.validate_every : epoch,
            .checkpoint_every = t.checkpoint_every > 0 ? t.checkpoint_every : epoch,
            .monitor_every = options_.monitor.monitor_every,
            .keep_checkpoints = t.keep_checkpoints,
            .keep_best = t.patience > 0,
            .max_skipped = t.max_skipped,
            .patience = t.patience,
            .tensorboard = t.tensorboard};
  }

  train::TrainerParts trainer_parts() override {
    train::TrainerParts parts{.model = model_,
                              .source = batches_,
                              .validator = &validated(),
                              .validation_keys = {validated().examples().key}};
    parts.save_best = [this](const fs::path& folder) {
      pretrained::save_tokenizer(*opened_.tokenizer, config_, folder);
      return model::save_model(model_, folder);
    };
    if (learns_strength())
      parts.extra = [this] { return io::Json{{"strengths", model::to_json(model_->strengths())}}; };
    parts.monitor = [this](int64_t step, const std::function<bool()>& stop) { return look(step, stop); };
    return parts;
  }

  RunKeys keys() const override {
    auto given = config_;
    if (learns_strength())  // whose values training changes
      for (auto& heads : given.refined_attention.strengths) std::fill(heads.begin(), heads.end(), 0.0);
    RunKeys keys = {tokenizer_key(*opened_.tokenizer, "--tokenizer"),
                    model_key(given, "the model"),
                    {"task", "--task", key_of(what_rows_follow_from(task_))},
                    {"train", "--data", train_.key},
                    {"dev", "--data", dev_.examples().key}};
    for (const auto& [name, scored] : also_) keys.push_back({scored.name(), "--data", scored.examples().key});
    return keys;
  }

  io::Json record() const override {
    return {{"model", describe_model(options_.start.from, config_)},
            {"from",
             {{"folder", options_.start.from},
              {"drawn", opened_.drawn},
              {"unused", opened_.unused},
              {"notes", opened_.notes}}},
            {"task", settings(dev_)}};
  }

  void write_folder(const fs::path& folder) const override {
    pretrained::save_tokenizer(*opened_.tokenizer, config_, folder);
    model::save_model(model_, folder);
  }

  void begin_again() override { model::load_weights(model_, place_.run / "model.safetensors"); }

  void announce() const override {
    const auto& say = place_.reporter;
    say.note("model", model_in_words(options_.start.from, config_),
             learns_strength() ? concat(", learned for each ", io::enum_name(options_.train.learn_strength)) : "");
    for (const auto& each : opened_.notes) say.note("model", each);
    if (!opened_.drawn.empty()) say.note("drawn anew", io::listed(opened_.drawn, "and"));
    if (!opened_.unused.empty()) say.note("not used", io::listed(opened_.unused, "and"));
    tell("train", train_, *train_rows_, say);
    if (held_) held_->tell(say);
    dev_.tell(say);
    for (const auto& [name, scored] : also_) scored.tell(say);
    for (const auto& [name, split] : task_.also)
      if (!also_.contains(name)) say.note(split, "has no file in ", options_.task.data, "; it is not scored");
    const auto trainer = trainer_options();
    say.note("training", io::counted(options_.train.epochs, "epoch"), " of ",
             io::counted(batches_.steps_an_epoch(), "step"), " with ",
             io::counted(rows_a_step() * place_.world.size(), "example"), ", warm-up of ",
             io::counted(trainer.optimizer.warmup_steps, "step"), ", into ", place_.run.string());
  }

  // How many steps there are follows from their number.
  bool takes_other_ranks() const override { return false; }

  int64_t rows_a_step() const override { return options_.train.batch * options_.train.accumulation; }

  void finish(io::Json& final) override {
    final["encode_seconds"] = encode_seconds_;
    if (options_.train.patience > 0) {
      const auto best = place_.run / "best";
      const auto path = best / "best.json";
      if (fs::exists(path)) {
        model::load_weights(model_, best / "model.safetensors");
        model_->set_strengths(model::read_config(best / "config.json").refined_attention.strengths);
        model::save_model(model_, place_.run);
        final["best_step"] = io::require<int64_t>(io::read_sealed_json(path).json, "step", path.string());
      }
    }
    if (held_) final["held_out"] = options_.train.patience > 0 ? held_->now().scores : held_->last().scores;
    const auto dev = held_ ? dev_.now() : dev_.last();
    write(dev, dev_);
    const auto& scores = dev.scores.at("scores");  // those of the last look "dev" or "held_out" tells
    for (const auto& [name, score] : scores.items()) final.erase(name);
    final["task"] = task_.name;
    final["dev"] = dev.scores;
    for (const auto& [name, scored] : also_) {
      const auto found = scored.now();
      write(found, scored);
      final["also"][name] = found.scores;
      final["also"][name]["split"] = scored.name();
    }
  }

 private:
  bool learns_strength() const { return options_.train.learn_strength != LearnStrength::none; }

  std::unique_ptr<tasks::Objective> rows_of(const tasks::Examples& examples) const {
    return tasks::make_objective(task_, examples, config_, *opened_.tokenizer, options_.train.length);
  }

  ScoredSplit::Scoring scoring() const {
    return {task_, [this](const auto& examples) { return rows_of(examples); }, model_, options_.train.batch,
            place_.world};
  }

  std::optional<ScoredSplit> held_back() {
    auto held = hold_back(task_, train_, options_.task.holdout, options_.train.seed);
    if (held.list.empty()) return std::nullopt;
    return std::optional<ScoredSplit>(std::in_place, "held out", std::move(held), scoring());
  }

  // What is looked at while training.
  ScoredSplit& validated() { return held_ ? *held_ : dev_; }
  const ScoredSplit& validated() const { return held_ ? *held_ : dev_; }

  void write(const Evaluation& found, const ScoredSplit& scored) const {
    write_evaluation(found, task_, scored.name(), settings(scored), place_.run / "eval");
  }

  // At the attention over the first rows that are validated on.
  std::optional<train::Looked> look(int64_t step, const std::function<bool()>& stop) const {
    const auto& rows = validated().rows();
    std::vector<int64_t> items(static_cast<size_t>(std::min(options_.monitor.monitor_rows, rows.items())));
    std::iota(items.begin(), items.end(), int64_t{0});
    const auto seen = look_at_attention(model_, rows.inputs(items), options_.monitor, stop);
    if (!seen) return {};
    return train::Looked{seen->to_json(step), seen->scalars(), seen->summary()};
  }

  // With which split a score is of.
  io::Json settings(const ScoredSplit& scored) const {
    io::Json train = {{"file", train_.file.filename().string()}, {"examples", train_.list.size()}};
    if (!train_.notes.empty()) train["notes"] = train_.notes;
    for (const auto& example : train_.list)
      if (!example.aligned) train["not_trained_on"].push_back(example.id);
    return {{"name", task_.name},
            {"version", task_.version},
            {"preset", options_.task.preset},
            {"train", train},
            {"held_out", held_ ? held_->examples().list.size() : 0},
            {scored.name(),
             {{"file", scored.examples().file.filename().string()}, {"examples", scored.examples().list.size()}}},
            {"length", options_.train.length},
            {"overlap", options_.train.overlap},
            {"answer_windows_only", options_.train.answer_windows_only},
            {"chosen_on_dev", false}};
  }

  const FinetuneOptions options_;
  const RunPlace place_;
  const tasks::Task task_;
  pretrained::Pretrained opened_;
  model::Model model_;
  model::ModelConfig config_;
  tasks::Examples train_;
  std::optional<ScoredSplit> held_;  // taken out of train_, to choose by
  const train::Clock::time_point encoding_;
  std::unique_ptr<tasks::Objective> train_rows_;
  const double encode_seconds_;
  TaskBatches batches_;
  ScoredSplit dev_;
  std::map<std::string, ScoredSplit> also_;  // scored after training, by their names in a suite
};

io::Json shared_options(const io::Json& options) {
  auto json = options;
  for (const char* name : {"from", "tokenizer"}) json["start"].erase(name);
  json["task"].erase("data");
  json["train"].erase("threads");
  json["distributed"].erase("rank_timeout");
  return flattened(json);
}

}  // namespace

model::HeadKind head_of(const tasks::Task& task) {
  switch (task.kind) {
    case tasks::Kind::classification:
    case tasks::Kind::regression:
      return model::HeadKind::sequence_classification;
    case tasks::Kind::choice:
      return model::HeadKind::multiple_choice;
    case tasks::Kind::span:
      return model::HeadKind::span;
    case tasks::Kind::similarity:
    case tasks::Kind::language:
      break;
  }
  fail_usage("--task: ", task.name, " is not trained on; saobp evaluate asks a model as it is");
}

const Recipe kFinetuning = {
    .command = "finetune",
    .changeable = {"--threads", "--log-every", "--validate-every", "--checkpoint-every", "--keep-checkpoints",
                   "--max-skipped", "--tensorboard", "--rank-timeout"},
    .read_options = [](const io::Json& json,
                       const std::string& source) { return to_json(options_from_json<FinetuneOptions>(json, source)); },
    .check = [](const io::Json& options) { check(read(options)); },
    .shared = shared_options,
    .compose = [](const io::Json& options, const RunPlace& place) -> std::unique_ptr<Composition> {
      return std::make_unique<Finetuning>(read(options), place);
    }};

FinetuneOptions as_recorded(const FinetuneOptions& given) {
  auto options = resolved(given, tasks::find_task(given.task.task, given.task.preset));
  for (auto* path : {&options.start.from, &options.start.tokenizer, &options.task.data})
    if (!path->empty()) *path = folder_name(fs::absolute(*path)).string();
  if (options.task.task.ends_with(".json")) options.task.task = fs::absolute(options.task.task).string();
  return options;
}

RunOutcome finetune(const FinetuneOptions& given, const fs::path& run, const train::Reporter& reporter) {
  check(given);
  const auto options = as_recorded(given);
  const auto find_inputs = [&] {
    const auto task = tasks::find_task(given.task.task, given.task.preset);
    head_of(task);
    for (const char* split : {"train", "dev"}) {
      tasks::find_split(task, split, given.task.data);
      if (!task.split(split).labelled)
        fail(task.title, ": its split ", split, " has no labels; fine-tuning trains and is scored on labels");
    }
  };
  return start_run(kFinetuning, to_json(options), find_inputs, run, reporter);
}

RunOutcome resume_finetuning(const fs::path& run, const io::Json& changes, const train::Reporter& reporter) {
  return resume_run(kFinetuning, run, changes, reporter);
}

}  // namespace saobp::recipes
