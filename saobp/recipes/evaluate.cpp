#include "saobp/recipes/evaluate.h"

#include <algorithm>

#include "saobp/io/file.h"
#include "saobp/io/words.h"
#include "saobp/pretrained/model_folder.h"
#include "saobp/recipes/checkpoint_model.h"
#include "saobp/recipes/finetune.h"
#include "saobp/tasks/likelihood.h"
#include "saobp/train/interrupt.h"
#include "saobp/train/wording.h"

namespace saobp::recipes {

std::vector<std::string> named_tasks(const std::string& list) {
  std::vector<std::string> names;
  for (size_t at = 0; at <= list.size();) {
    const auto end = std::min(list.find(',', at), list.size());
    const auto name = list.substr(at, end - at);
    at = end + 1;
    if (name.empty()) fail_usage("--task: \"", list, "\" was given; names between commas were expected");
    auto suite = name == "all" ? tasks::task_names() : tasks::tasks_of_suite(name);
    if (suite.empty()) suite = {name};
    for (const auto& each : suite)
      if (std::find(names.begin(), names.end(), each) == names.end()) names.push_back(each);
  }
  return names;
}

std::optional<FineTuned> fine_tuned_with(const fs::path& model) {
  const bool is_best = fs::exists(model / "best.json");
  const auto path =
      (is_best ? fs::canonical(model).parent_path() : run_of_checkpoint(model).value_or(model)) / "run.json";
  if (!fs::exists(path)) return {};
  const auto record = io::read_json(path);
  if (!record.is_object() || record.value("command", "") != kFinetuning.command || !record.contains("options"))
    return {};
  auto options = options_from_json<FinetuneOptions>(record.at("options"), path.string());
  const auto task = io::get_or<io::Json>(record, "task", io::Json::object(), path.string());
  return FineTuned{options, io::get_or<std::string>(task, "name", options.task.task, path.string() + ": task")};
}

tasks::Task in_windows_of(tasks::Task task, int64_t overlap, const fs::path& model) {
  if (overlap == 0 && task.kind == tasks::Kind::span)
    if (const auto tuned = fine_tuned_with(model)) overlap = tuned->options.train.overlap;
  return with_windows(std::move(task), overlap);
}

int64_t row_length(const tasks::Task& task, const fs::path& model) {
  if (const auto tuned = fine_tuned_with(model)) return tuned->options.train.length;
  return io::get_or<int64_t>(task.recipe, "length", 128, task.name);
}

namespace {

// Of what a decoder is asked nothing is cut that it has a position for; windows of a text, which may have any length,
// keep to positions that were trained.
int64_t length_of(const fs::path& model, const model::ModelConfig& config, const tasks::Task& task, bool likelihoods) {
  if (likelihoods) return config.max_length();
  if (task.kind == tasks::Kind::language) return std::max<int64_t>(config.trained_length(), config.causal() ? 1 : 3);
  return row_length(task, model);
}

// Whether a decoder of language is asked without training; the other tasks need a head of their own. Error where the
// model has another one, or it was made for another task (unless `other_head`).
bool asks_for_likelihoods(const model::ModelImpl& model, const std::string& folder, const tasks::Task& task,
                          bool other_head) {
  if (task.kind == tasks::Kind::similarity) return false;
  if (task.kind == tasks::Kind::language) {
    if (!model.has_language_head())
      throw tasks::NotAsked(
          concat(folder, ": holds no head of a language model; ", task.title, " asks one how likely a text is"));
    return false;
  }
  if (model.has_language_head() && model.config.causal()) return true;
  const auto kind = head_of(task);
  if (model.head() && model.head()->record.kind == kind) {
    const auto tuned = other_head ? std::nullopt : fine_tuned_with(folder);
    if (tuned && tuned->task != task.name &&
        std::find(task.heads_of.begin(), task.heads_of.end(), tuned->task) == task.heads_of.end())
      throw tasks::NotAsked(concat(folder, ": its head was fine-tuned on ", tuned->task, ", not on ", task.name,
                                   "; --other-head asks it all the same"));
    return false;
  }
  const auto* wanted = model.config.family->head(kind);
  throw tasks::NotAsked(concat(
      folder, ": holds ", model.head() ? model.head()->record.architecture : model.config.family->architecture, "; ",
      task.title, " takes ",
      wanted ? concat(wanted->architecture, " (saobp finetune makes one)") : "a head that this family does not have"));
}

}  // namespace

void require_texts(const std::vector<tasks::Task>& tasks, int64_t stride) {
  std::vector<std::string> titles;
  for (const auto& task : tasks) {
    if (stride == 0 || task.kind == tasks::Kind::language) return;
    titles.push_back(task.title);
  }
  fail_usage("--stride: ", stride, " was given; ", io::listed(titles, "and"), titles.size() == 1 ? " is" : " are",
             " not read in windows of a text");
}

std::optional<Evaluation> evaluate_task(const EvaluateOptions& options, const RefinementOptions& refinement,
                                        const std::string& folder, const tasks::Task& given,
                                        const train::Reporter& reporter, io::Json& settings) {
  auto task = in_windows_of(given, options.overlap, folder);
  if (options.stride > 0 && task.kind == tasks::Kind::language) task.text.stride = options.stride;
  const auto change = [&](model::ModelConfig& config) { apply(refinement, config); };
  const auto opened = pretrained::open(folder, options.tokenizer, {.head = {}, .seed = {}, .change = change});
  set_dtype(opened.model, options.dtype);
  const auto& config = opened.model->config;
  const bool likelihoods = asks_for_likelihoods(*opened.model, folder, task, options.other_head);
  if (options.prompt != "default" && !likelihoods)
    fail_usage("--prompt: ", options.prompt, " was given; ", folder, " is not asked by prompts for ", task.title);
  if (!config.causal() && task.kind == tasks::Kind::language) {
    if (options.stride > 0)
      fail_usage("--stride: ", options.stride, " was given; ", folder, " is an encoder, which reads rows");
    task.text.stride = 0, task.text.begin = false;
  }
  if (options.length > config.max_length())
    fail_usage("--length: ", options.length, " was given; the model's position table ends at ", config.max_length());
  const auto length =
      options.length > 0 ? options.length : std::min(length_of(folder, config, task, likelihoods), config.max_length());
  const auto started = train::Clock::now();
  tasks::Examples examples = tasks::read_examples(task, options.split, options.data);
  if (options.rows > 0 && options.rows < static_cast<int64_t>(examples.list.size()))
    examples.list.resize(static_cast<size_t>(options.rows));
  const auto objective =
      likelihoods ? tasks::make_likelihoods(task, options.prompt, examples, config, *opened.tokenizer, length)
                  : tasks::make_objective(task, examples, config, *opened.tokenizer, length);
  for (const auto& note : opened.notes) reporter.note("model", note);
  reporter.note(task.name, examples.file.string(), ", ", io::counted(examples.list.size(), "example"));
  for (const auto& each : examples.notes) reporter.note(task.name, each);
  for (const auto& each : objective->notes()) reporter.note(task.name, each);
  if (const auto note = model::note_on_positions(config, tasks::longest(*objective)); !note.empty())
    reporter.note("model", note);
  settings = {{"model", folder},
              {"attention", io::enum_name(config.refined_attention.attention)},
              {"strength", config.refined_attention.strength},
              {"strength_length", config.refined_attention.strength_length},
              {"preset", options.preset},
              {"prompt", likelihoods ? io::Json(options.prompt) : io::Json()},
              {"file", examples.file.filename().string()},
              {"length", length},
              {"dtype", io::enum_name(options.dtype)},
              {"rows", examples.list.size()}};
  if (!config.refined_attention.strengths.empty())
    settings["strengths"] = model::to_json(config.refined_attention.strengths);
  if (config.trained_positions > 0) settings["trained_positions"] = config.trained_positions;
  if (task.kind == tasks::Kind::span) settings["overlap"] = task.overlap;
  if (task.kind == tasks::Kind::language) {
    settings["text"] = io::fields_to_json(task.text);
    if (config.causal() && task.text.stride == 0) settings["text"]["stride"] = length;  // as windows then lie
  }
  auto found = evaluate(opened.model, {task, examples, *objective, options.batch}, train::InterruptGuard::interrupted);
  settings["seconds"] = train::seconds_since(started);  // with reading and encoding
  return found;
}

}  // namespace saobp::recipes
