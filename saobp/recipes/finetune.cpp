#include "saobp/recipes/finetune.h"

#include <algorithm>
#include <cmath>

#include "saobp/data/random.h"
#include "saobp/io/words.h"
#include "saobp/model/weights.h"
#include "saobp/pretrained/model_folder.h"
#include "saobp/recipes/evaluation.h"
#include "saobp/recipes/run_record.h"
#include "saobp/recipes/task_batches.h"
#include "saobp/train/wording.h"

namespace saobp::recipes {
namespace {

FinetuneOptions read(const io::Json& options) { return options_from_json<FinetuneOptions>(options, "options"); }

// The scores on the dev set, found by the first rank and told to the others.
class DevScores final : public train::Validator {
 public:
  DevScores(model::Model model, const tasks::Task& task, const tasks::Examples& examples,
            const tasks::Objective& objective, int64_t batch, const train::World& world)
      : model_(std::move(model)),
        task_(task),
        examples_(examples),
        objective_(objective),
        batch_(batch),
        world_(world) {}

  const char* figure() const override { return task_.scores.front().c_str(); }
  bool lower_is_better() const override { return false; }

  std::optional<train::Validated> validate(const std::function<bool()>& stop) override {
    if (world_.is_first()) newest_ = evaluate(model_, task_, examples_, objective_, batch_, stop);
    if (world_.sum(world_.is_first() && !newest_ ? 1.0 : 0.0) > 0) return {};
    train::Validated validated;
    if (!world_.is_first()) return validated;
    std::vector<std::string> words;
    for (const auto& [name, score] : newest_->scores.at("scores").items()) {
      const auto& value = score.at("value");
      validated.line[name] = value;
      words.push_back(value.is_null() ? name + " undefined"
                                      : concat(name, train::format(" %.4f", value.get<double>())));
    }
    const auto& headline = validated.line.at(figure());
    validated.undefined = headline.is_null();
    if (!validated.undefined) validated.figure = headline.get<double>();
    validated.text = "dev " + io::listed(words, "and");
    return validated;
  }

  // Of the model as it is now, for the first rank after the last step: what the last validation found. A run that was
  // stopped between that and its end has made it before, so that it is made again.
  const Evaluation& last() {
    if (!newest_) newest_ = evaluate(model_, task_, examples_, objective_, batch_);
    return *newest_;
  }

 private:
  model::Model model_;
  const tasks::Task& task_;
  const tasks::Examples& examples_;
  const tasks::Objective& objective_;
  int64_t batch_;
  const train::World& world_;
  std::optional<Evaluation> newest_;  // the first rank's
};

pretrained::Pretrained open(const FinetuneOptions& options, const tasks::Task& task, model::HeadKind head,
                            const RunPlace& place) {
  const auto change = [&](model::ModelConfig& config) {
    config.set_dropout(options.start.dropout);
    apply(options.refinement, config);
    tasks::set_labels(task, config);
    fit_positions(config, options.train.length, options.start.extend_positions);
  };
  if (!place.resumed)
    return pretrained::open(options.start.from, options.start.tokenizer,
                            {.head = head, .seed = static_cast<uint64_t>(options.train.seed), .change = change});
  auto model =
      model::make_model(model::read_config(place.run / "config.json"), static_cast<uint64_t>(options.train.seed), head);
  return {std::move(model), text::load_tokenizer(place.run / "tokenizer.json"), {}, {}, {}};
}

// All examples to train on, or as many as are asked for, in the order of the file.
tasks::Examples training_examples(const tasks::Task& task, const FinetuneOptions& options) {
  auto all = tasks::read_examples(task, "train", options.task.data);
  const auto count = static_cast<size_t>(options.task.train_rows);
  if (count == 0 || count >= all.list.size()) return all;
  auto order =
      data::random_permutation(static_cast<uint32_t>(all.list.size()),
                               data::Random(static_cast<uint64_t>(options.train.seed), data::Purpose::example_choice));
  order.resize(count);
  std::sort(order.begin(), order.end());
  std::vector<tasks::Example> drawn;
  drawn.reserve(count);
  for (uint32_t place : order) drawn.push_back(std::move(all.list[place]));
  all.notes.push_back(
      concat(io::grouped(options.task.train_rows), " of ", io::counted(all.list.size(), "example"), " are drawn"));
  all.list = std::move(drawn);
  return all;
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
        task_(tasks::find_task(options.task.task, options.task.preset)),
        opened_(open(options, task_, head_of(task_), place)),
        model_(opened_.model),
        config_(model_->config),
        train_(training_examples(task_, options)),
        dev_(tasks::read_examples(task_, "dev", options.task.data)),
        encoding_(train::Clock::now()),
        train_rows_(objective(train_)),
        encode_seconds_(train::seconds_since(encoding_)),
        dev_rows_(objective(dev_)),
        batches_(model_, *train_rows_, trained_items(*train_rows_),
                 {options.train.batch, options.train.accumulation, options.train.group_by_length,
                  static_cast<uint64_t>(options.train.seed)},
                 place.world),
        scores_(model_, task_, dev_, *dev_rows_, options.train.batch, place.world) {
    set_dtype(model_, options.train.dtype);
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
            .keep_checkpoints = t.keep_checkpoints,
            .keep_best = false,
            .max_skipped = t.max_skipped,
            .tensorboard = t.tensorboard};
  }

  train::TrainerParts trainer_parts() override {
    train::TrainerParts parts{
        .model = model_, .source = batches_, .validator = &scores_, .validation_keys = {dev_.key}};
    return parts;
  }

  RunKeys keys() const override {
    return {tokenizer_key(*opened_.tokenizer, "--tokenizer"),
            model_key(config_, "the model"),
            {"task", "--task", key_of(task_.json.dump())},
            {"train", "--data", train_.key},
            {"dev", "--data", dev_.key}};
  }

  io::Json record() const override {
    return {{"model", describe_model(options_.start.from, config_)},
            {"from", {{"folder", options_.start.from}, {"drawn", opened_.drawn}, {"unused", opened_.unused}}},
            {"task", settings()}};
  }

  void write_folder(const fs::path& folder) const override {
    pretrained::save_tokenizer(*opened_.tokenizer, config_, folder);
    model::save_model(model_, folder);
  }

  void announce() const override {
    const auto& say = place_.reporter;
    say.note("model", model_in_words(options_.start.from, config_));
    for (const auto& each : opened_.notes) say.note("model", each);
    if (!opened_.drawn.empty()) say.note("drawn anew", io::listed(opened_.drawn, "and"));
    if (!opened_.unused.empty()) say.note("not used", io::listed(opened_.unused, "and"));
    tell("train", train_, *train_rows_);
    tell("dev", dev_, *dev_rows_);
    const auto trainer = trainer_options();
    say.note("training", io::counted(options_.train.epochs, "epoch"), " of ",
             io::counted(batches_.steps_an_epoch(), "step"), " with ",
             io::counted(rows_a_step() * place_.world.size(), "example"), ", warm-up of ",
             io::counted(trainer.optimizer.warmup_steps, "step"), ", into ", place_.run.string());
  }

  int64_t rows_a_step() const override { return options_.train.batch * options_.train.accumulation; }

  void finish(io::Json& final) override {
    final["encode_seconds"] = encode_seconds_;
    write_evaluation(scores_.last(), task_, "dev", settings(), place_.run / "eval");
    final["task"] = task_.name;
    final["dev"] = scores_.last().scores;
  }

 private:
  std::unique_ptr<tasks::Objective> objective(const tasks::Examples& examples) const {
    return tasks::make_objective(task_, examples, config_, *opened_.tokenizer, options_.train.length);
  }

  void tell(const char* topic, const tasks::Examples& examples, const tasks::Objective& rows) const {
    place_.reporter.note(topic, examples.file.string(), ", ", io::counted(examples.list.size(), "example"));
    for (const auto* notes : {&examples.notes, &rows.notes()})
      for (const auto& each : *notes) place_.reporter.note(topic, each);
  }

  io::Json settings() const {
    return {{"name", task_.name},
            {"version", task_.version},
            {"preset", options_.task.preset},
            {"train", {{"file", train_.file.filename().string()}, {"examples", train_.list.size()}}},
            {"dev", {{"file", dev_.file.filename().string()}, {"examples", dev_.list.size()}}},
            {"length", options_.train.length},
            {"chosen_on_dev", false}};
  }

  const FinetuneOptions options_;
  const RunPlace place_;
  const tasks::Task task_;
  pretrained::Pretrained opened_;
  model::Model model_;
  model::ModelConfig config_;
  const tasks::Examples train_, dev_;
  const train::Clock::time_point encoding_;
  std::unique_ptr<tasks::Objective> train_rows_;
  const double encode_seconds_;
  std::unique_ptr<tasks::Objective> dev_rows_;
  TaskBatches batches_;
  DevScores scores_;
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

RunOutcome finetune(const FinetuneOptions& given, const fs::path& run, const train::Reporter& reporter) {
  check(given);
  auto options = resolved(given, tasks::find_task(given.task.task, given.task.preset));
  for (auto* path : {&options.start.from, &options.start.tokenizer, &options.task.data})
    if (!path->empty()) *path = folder_name(fs::absolute(*path)).string();
  if (options.task.task.ends_with(".json")) options.task.task = fs::absolute(options.task.task).string();
  const auto find_inputs = [&] {
    const auto task = tasks::find_task(given.task.task, given.task.preset);
    head_of(task);
    for (const char* split : {"train", "dev"}) tasks::find_split(task, split, given.task.data);
  };
  return start_run(kFinetuning, to_json(options), find_inputs, run, reporter);
}

RunOutcome resume_finetuning(const fs::path& run, const io::Json& changes, const train::Reporter& reporter) {
  return resume_run(kFinetuning, run, changes, reporter);
}

}  // namespace saobp::recipes
