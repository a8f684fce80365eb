#include "saobp/recipes/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "saobp/io/number.h"
#include "saobp/io/words.h"
#include "saobp/recipes/evaluation.h"
#include "saobp/scores/compare.h"
#include "saobp/scores/shown.h"
#include "saobp/tasks/scoring.h"

namespace saobp::recipes {
namespace {

namespace fs = std::filesystem;
using io::Json;
using tasks::Prediction;

struct Arm {
  std::vector<fs::path> runs;
  std::vector<int64_t> seeds, diverged;  // by the folders' names; of a run that is given itself none
  std::vector<std::vector<Prediction>> predictions;
  std::vector<scores::ScoreOfSample> scores;
  std::set<int64_t> versions;  // of the task, as far as the records beside the predictions name them
  std::map<std::string, std::set<std::string>> scored_with;  // what may change a score beside the model: its values
};

// A seed's luck shows in no fewer runs a side, and examples' in no fewer of them: resampling two gives the same two.
constexpr size_t kFewestRuns = 3;
constexpr int64_t kFewestExamples = 20;

int64_t seed_of(const fs::path& run) {
  const auto name = run.filename().string();
  if (!name.starts_with("seed-") || !fs::is_directory(run)) return -1;
  return io::number_in<int64_t>(name.substr(5)).value_or(-1);
}

// Beside each other where saobp evaluate has put them, with --output.
bool holds_predictions(const fs::path& folder, const std::string& task) {
  if (!fs::is_directory(folder)) return false;
  return std::any_of(fs::directory_iterator(folder), fs::directory_iterator(), [&](const auto& entry) {
    const auto name = entry.path().filename().string();
    return name.starts_with(task + "-") && name.ends_with(kPredictions);
  });
}

bool diverged(const fs::path& run) {
  const auto record = run / "run.json";
  return fs::exists(record) && io::read_json(record).contains("diverged");
}

// With the runs that `folder` stands for: itself, where it has eval/ or the task's predictions, or of a suite's folder
// those in TASK/seed-N, by N; seeds that diverged have nothing to compare.
Arm arm_with_runs(const fs::path& folder, const std::string& task) {
  Arm arm;
  if (fs::is_directory(folder / "eval") || holds_predictions(folder, task)) {
    arm.runs = {folder};
    return arm;
  }
  if (fs::is_directory(folder / task))
    for (const auto& entry : fs::directory_iterator(folder / task))
      if (const auto seed = seed_of(entry.path()); seed >= 0)
        (diverged(entry.path()) ? arm.diverged : arm.seeds).push_back(seed);
  for (auto* seeds : {&arm.seeds, &arm.diverged}) std::sort(seeds->begin(), seeds->end());
  for (const auto seed : arm.seeds) arm.runs.push_back(folder / task / concat("seed-", seed));
  if (!arm.runs.empty()) return arm;
  throw tasks::NotAsked(concat(
      folder.string(),
      !fs::exists(folder)     ? ": is missing"
      : !arm.diverged.empty() ? concat(": all seeds of ", task, " diverged")
                              : concat(": holds neither eval/ nor predictions for ", task, " nor ", task, "/seed-N"),
      "; a run with scores, the folder of a suite, or that of saobp evaluate --output was expected"));
}

// Adds what the record of a score tells of how it was made; of a run's own score attention is the model's.
void add_settings(const Json& record, const std::string& source, const fs::path& run, Arm& arm) {
  auto settings = io::get_or<Json>(record, "settings", Json::object(), source);
  if (!settings.is_object()) fail(source, ": \"settings\" is ", io::type_name(settings), "; an object was expected");
  if (const auto path = run / "config.json"; !settings.contains("attention") && fs::exists(path))
    if (const auto own = io::get_or<Json>(io::read_json(path), "refined_attention", Json::object(), path.string());
        own.is_object())
      settings.update(own);
  for (const char* name : {"attention", "strength", "strength_length", "preset", "prompt", "length", "overlap"})
    if (const auto value = settings.find(name); value != settings.end() && value->is_primitive() && !value->is_null())
      arm.scored_with[name].insert(value->is_string() ? value->get<std::string>() : value->dump());
}

Arm arm_of(const fs::path& folder, const tasks::Task& task, const std::string& split, const std::string& score) {
  auto arm = arm_with_runs(folder, task.name);
  for (const auto& run : arm.runs) {
    const auto eval = fs::is_directory(run / "eval") ? run / "eval" : run;
    const auto path = eval / concat(task.name, "-", split, kPredictions);
    if (!fs::exists(path))
      throw tasks::NotAsked(concat(path.string(), ": is not there; saobp evaluate ", run.string(), " --task ",
                                   task.name, " --split ", split, " makes it"));
    arm.predictions.push_back(tasks::read_predictions(path));
    if (const auto record = eval / concat(task.name, "-", split, ".json"); fs::exists(record)) {
      const auto json = io::read_json(record);
      if (json.contains("version")) arm.versions.insert(io::require<int64_t>(json, "version", record.string()));
      add_settings(json, record.string(), run, arm);
    }
    try {
      arm.scores.push_back(tasks::score_of_sample(task, arm.predictions.back(), score));
    } catch (const UsageError&) {
      throw;
    } catch (const Error& error) {
      fail(path.string(), ": ", error.what());
    }
  }
  return arm;
}

// Texts have neither gold nor ids of their own: they are told apart by their sizes, in tokens too where a figure is a
// token's.
bool is_same(const Prediction& a, const Prediction& b, bool by_tokens) {
  if (a.id != b.id || a.gold != b.gold) return false;
  if (!a.gold.is_null()) return true;
  for (const char* size : {"bytes", "words", by_tokens ? "tokens" : "words"})
    if (a.details.value(size, Json()) != b.details.value(size, Json())) return false;
  return true;
}

void require_same_examples(const Arm& first, const Arm& second, bool by_tokens) {
  const auto& model = first.predictions.front();
  for (const auto* arm : {&first, &second})
    for (size_t run = 0; run < arm->predictions.size(); ++run) {
      const auto& here = arm->predictions[run];
      const bool same =
          here.size() == model.size() && std::equal(here.begin(), here.end(), model.begin(),
                                                    [&](auto& a, auto& b) { return is_same(a, b, by_tokens); });
      if (!same)
        fail(arm->runs[run].string(), ": its predictions have other ids or other gold than those of ",
             first.runs[0].string(), ", or texts of other sizes, or another order; the same were expected");
    }
}

Json to_json(const scores::Difference& found) {
  return {{"value", io::number_or_null(found.value)},
          {"low", io::number_or_null(found.low)},
          {"high", io::number_or_null(found.high)},
          {"p", io::number_or_null(found.p)}};
}

Json side(const Arm& arm, const fs::path& run, const std::vector<int64_t>& every) {
  double sum = 0;
  for (const auto& score : arm.scores) sum += score(every);
  return {{"run", run.string()},
          {"runs", arm.runs.size()},
          {"diverged_seeds", arm.diverged},
          {"versions", arm.versions},
          {"scored_with", arm.scored_with},
          {"value", sum / static_cast<double>(arm.scores.size())}};
}

// By the accuracy that is compared, which may be a normalised one; beside other scores by what was predicted.
std::vector<uint8_t> right_ones(const Arm& arm, const std::string& score) {
  const auto& predictions = arm.predictions.front();
  const bool by_score = score.starts_with("accuracy");
  std::vector<uint8_t> right;
  right.reserve(predictions.size());
  for (size_t i = 0; i < predictions.size(); ++i) {
    const auto place = static_cast<int64_t>(i);
    right.push_back(by_score ? arm.scores.front()({&place, 1}) == 1 : predictions[i].gold == predictions[i].prediction);
  }
  return right;
}

// Why the interval says nothing however far it is from 0; "" where it does. One run's right and wrong answers must also
// pass McNemar's test, which is exact where examples are few.
std::string too_little(const Arm& first, const Arm& second, int64_t examples, const Json& mcnemar) {
  const auto runs = std::min(first.runs.size(), second.runs.size());
  if (examples < kFewestExamples)
    return concat(io::counted(examples, "example is", "examples are"), " too few to tell by");
  if (first.runs.size() > 1 && second.runs.size() > 1 && runs < kFewestRuns)
    return concat(runs, " seeds a side are too few to tell by");
  if (!mcnemar.is_null() && mcnemar.at("p").get<double>() >= 0.05) return "McNemar's test does not say so";
  return "";
}

}  // namespace

Json compare_runs(const fs::path& first_run, const fs::path& second_run, const std::string& name,
                  const std::string& preset, const std::string& split, const std::string& wanted) {
  const auto task = tasks::find_task(name, preset);
  const auto score = wanted.empty() ? task.scores.front() : wanted;
  const auto first = arm_of(first_run, task, split, score), second = arm_of(second_run, task, split, score);
  require_same_examples(first, second, score.starts_with("token"));
  const auto examples = static_cast<int64_t>(first.predictions.front().size());
  std::vector<int64_t> every(static_cast<size_t>(examples));
  for (size_t i = 0; i < every.size(); ++i) every[i] = static_cast<int64_t>(i);
  const bool seeds = first.runs.size() > 1 && second.runs.size() > 1;
  const bool paired = seeds && first.seeds == second.seeds;
  const auto by_examples = scores::difference(first.scores, second.scores, examples, {});
  const auto found = seeds ? scores::difference(first.scores, second.scores, examples,
                                                {.examples = true, .seeds = true, .paired = paired})
                           : by_examples;
  const std::string resampled =
      seeds ? concat("both the ", io::counted(examples, "example"), " and the fine-tuning seeds (",
                     paired ? concat(io::counted(first.runs.size(), "pair"), " with the same seed")
                            : concat(first.runs.size(), " and ", second.runs.size(), ", each side by itself"),
                     ") were drawn anew; nothing is said about other pretraining runs")
            : concat("the ", io::counted(examples, "example"),
                     " were drawn anew, the same for both; nothing is said about other seeds, of fine-tuning or of "
                     "pretraining");
  Json mcnemar = nullptr;
  const bool right_or_wrong = task.kind == tasks::Kind::classification || task.kind == tasks::Kind::choice;
  if (first.runs.size() == 1 && second.runs.size() == 1 && right_or_wrong) {
    const auto test = scores::mcnemar(right_ones(first, score), right_ones(second, score));
    mcnemar = {{"only_first_right", test.only_first}, {"only_second_right", test.only_second}, {"p", test.p}};
  }
  const bool lower = scores::lower_is_better(score);
  const bool better = lower ? found.is_worse() : found.is_better(),
             worse = lower ? found.is_better() : found.is_worse();
  const auto unsure = better || worse ? too_little(first, second, examples, mcnemar) : "";
  const bool shown = (better || worse) && unsure.empty();
  return {{"task", task.name},
          {"split", split},
          {"score", score},
          {"examples", examples},
          {"first", side(first, first_run, every)},
          {"second", side(second, second_run, every)},
          {"difference", to_json(found)},
          {"verdict", !shown   ? "no difference shown"
                      : better ? "better"
                               : "worse"},
          {"unsure", unsure},
          {"resampled", resampled},
          {"by_examples", to_json(by_examples)},
          {"mcnemar", mcnemar}};
}

}  // namespace saobp::recipes
