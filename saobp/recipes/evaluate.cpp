#include "saobp/recipes/evaluate.h"

#include <algorithm>

#include "saobp/io/file.h"
#include "saobp/io/words.h"
#include "saobp/pretrained/model_folder.h"
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

namespace {

// Of rows: as the model was fine-tuned, else the task's setting. Of what a decoder is asked nothing is cut that it has
// a position for; windows of a text, which may have any length, keep to positions that were trained.
int64_t length_of(const fs::path& model, const model::ModelConfig& config, const tasks::Task& task, bool likelihoods) {
  if (likelihoods) return config.max_length();
  if (task.kind == tasks::Kind::language) return std::max<int64_t>(config.trained_length(), config.causal() ? 1 : 3);
  if (const auto path = model / "run.json"; fs::exists(path)) {
    const auto record = io::read_json(path);
    if (record.is_object() && record.value("command", "") == kFinetuning.command && record.contains("options"))
      return options_from_json<FinetuneOptions>(record.at("options"), path.string()).train.length;
  }
  return io::get_or<int64_t>(task.recipe, "length", 128, task.name);
}

// Whether a decoder of language is asked without training; the other tasks need a head of their own. Error where the
// model has another one.
bool asks_for_likelihoods(const model::ModelImpl& model, const std::string& folder, const tasks::Task& task) {
  if (task.kind == tasks::Kind::similarity) return false;
  if (task.kind == tasks::Kind::language) {
    if (!model.has_language_head())
      throw tasks::NotAsked(
          concat(folder, ": holds no head of a language model; ", task.title, " asks one how likely a text is"));
    return false;
  }
  if (model.has_language_head() && model.config.causal()) return true;
  const auto kind = head_of(task);
  if (model.head() && model.head()->record.kind == kind) return false;
  const auto* wanted = model.config.family->head(kind);
  throw tasks::NotAsked(concat(
      folder, ": holds ", model.head() ? model.head()->record.architecture : model.config.family->architecture, "; ",
      task.title, " takes ",
      wanted ? concat(wanted->architecture, " (saobp finetune makes one)") : "a head that this family does not have"));
}

}  // namespace

std::optional<Evaluation> evaluate_task(const EvaluateOptions& options, const RefinementOptions& refinement,
                                        const std::string& folder, const tasks::Task& given,
                                        const train::Reporter& reporter, io::Json& settings) {
  tasks::Task task = given;
  if (options.stride > 0) {
    if (task.kind != tasks::Kind::language)
      fail_usage("--stride: ", options.stride, " was given; ", task.title, " is not read in windows of a text");
    task.text.stride = options.stride;
  }
  const auto change = [&](model::ModelConfig& config) { apply(refinement, config); };
  const auto opened = pretrained::open(folder, options.tokenizer, {.head = {}, .seed = {}, .change = change});
  set_dtype(opened.model, options.dtype);
  const auto& config = opened.model->config;
  const bool likelihoods = asks_for_likelihoods(*opened.model, folder, task);
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
  if (task.kind == tasks::Kind::language) settings["text"] = io::fields_to_json(task.text);
  auto found = evaluate(opened.model, {task, examples, *objective, options.batch}, train::InterruptGuard::interrupted);
  settings["seconds"] = train::seconds_since(started);  // with reading and encoding
  return found;
}

}  // namespace saobp::recipes
