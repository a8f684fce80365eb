#include "saobp/recipes/evaluation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "saobp/io/file.h"
#include "saobp/io/words.h"
#include "saobp/scores/shown.h"
#include "saobp/tasks/scoring.h"
#include "saobp/train/run_folder.h"

namespace saobp::recipes {
namespace {

void require_finite(const std::vector<std::vector<float>>& outputs) {
  for (const auto& output : outputs)
    for (float value : output)
      if (!std::isfinite(value))
        throw NotFinite(concat("the model's outputs are not finite (", value,
                               "): its weights, or bfloat16's range, do not hold them"));
}

// Each rank has made some of the outputs: then all have all. What a rank has not made adds 0 to what another has.
void share(std::vector<std::vector<float>>& outputs, const train::World& world) {
  std::vector<double> sizes;
  sizes.reserve(outputs.size());
  for (const auto& output : outputs) sizes.push_back(static_cast<double>(output.size()));
  sizes = world.sum(sizes);
  std::vector<float> all;
  for (size_t i = 0; i < outputs.size(); ++i) {
    outputs[i].resize(static_cast<size_t>(sizes[i]));
    all.insert(all.end(), outputs[i].begin(), outputs[i].end());
  }
  const auto tensor = torch::from_blob(all.data(), {static_cast<int64_t>(all.size())}, torch::kFloat);
  world.start_sum(tensor)();
  auto next = all.begin();
  for (auto& output : outputs) {
    std::copy(next, next + static_cast<std::ptrdiff_t>(output.size()), output.begin());
    next += static_cast<std::ptrdiff_t>(output.size());
  }
}

// "accuracy 77.98 of 872 examples"; "" of what is no evaluation.
std::string in_words(const io::Json& record) {
  if (!record.is_object() || !record.contains("examples") || !record.at("examples").is_number()) return "";
  std::vector<std::string> words;
  const auto scores = record.value("scores", io::Json::object());
  for (const auto& [name, score] : scores.items()) {
    const auto value = score.is_object() ? score.value("value", io::Json()) : io::Json();
    words.push_back(
        concat(name, " ", value.is_number() ? io::in_short(scores::unit_of(name) * value.get<double>()) : "undefined"));
  }
  return concat(io::listed(words, "and"), words.empty() ? "" : " of ",
                io::counted(record.at("examples").get<int64_t>(), "example"));
}

std::string found_before(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return "";
  try {
    return in_words(io::read_json(path));
  } catch (const Error&) {  // damaged
    return "";
  }
}

}  // namespace

std::optional<std::vector<std::vector<float>>> outputs_of(const model::Model& model, const tasks::Objective& objective,
                                                          int64_t batch, const std::function<bool()>& stop,
                                                          const train::World& world) {
  const torch::NoGradGuard no_grad;
  const bool was_training = model->is_training();
  model->eval();
  std::vector<int64_t> order(static_cast<size_t>(objective.items()));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return objective.length(a) > objective.length(b); });
  std::vector<std::vector<float>> outputs(order.size());
  bool stopped = false;
  const auto rows_of = [batch](int64_t batches) { return static_cast<size_t>(batch * batches); };
  for (size_t first = rows_of(world.rank()); first < order.size(); first += rows_of(world.size())) {
    stopped = stop && stop();
    if (stopped) break;
    const auto part = std::span(order).subspan(first, std::min(static_cast<size_t>(batch), order.size() - first));
    auto made = objective.outputs(model, part);
    require_finite(made);
    for (size_t i = 0; i < part.size(); ++i) outputs[static_cast<size_t>(part[i])] = std::move(made[i]);
  }
  model->train(was_training);
  if (world.sum(stopped ? 1.0 : 0.0) > 0) return {};
  if (world.size() > 1) share(outputs, world);
  return outputs;
}

std::optional<Evaluation> evaluate(const model::Model& model, const Asking& asking, const std::function<bool()>& stop,
                                   const train::World& world) {
  const auto& [task, examples, objective, batch] = asking;
  const auto outputs = outputs_of(model, objective, batch, stop, world);
  if (!outputs) return {};
  Evaluation made{objective.predictions(*outputs), nullptr};
  for (size_t i = 0; i < made.predictions.size(); ++i) {
    auto groups = io::Json::object();
    for (const auto& [name, value] : examples.list[i].groups) groups[name] = value;
    if (!groups.empty()) made.predictions[i].details["groups"] = groups;
  }
  made.scores =
      examples.labelled ? tasks::scores_of(task, made.predictions) : io::Json{{"examples", made.predictions.size()}};
  return made;
}

std::string write_evaluation(const Evaluation& evaluation, const tasks::Task& task, const std::string& split,
                             const io::Json& settings, const std::filesystem::path& folder) {
  io::make_folder(folder);
  const auto name = concat(task.name, "-", split);
  const auto path = folder / (name + ".json");
  const auto before = found_before(path);
  const auto predictions = folder / (name + kPredictions);
  tasks::write_predictions(predictions, evaluation.predictions);
  if (const auto& submission = task.split(split).submission; !submission.empty())
    tasks::write_submission(folder / submission, task, evaluation.predictions);
  io::Json record = {{"task", task.name}, {"version", task.version}, {"split", split}};
  record.update(evaluation.scores);
  record["settings"] = settings;
  record["predictions"] = predictions.filename().string();
  record["host"] = train::describe_host();
  record["made"] = train::timestamp();
  io::write_json(path, record);
  return before.empty() || before == in_words(record) ? "" : concat(path.string(), ": ", before);
}

}  // namespace saobp::recipes
