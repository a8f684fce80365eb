#include "saobp/recipes/compare.h"

#include <algorithm>
#include <charconv>
#include <cmath>

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
  std::vector<int64_t> seeds;  // by the folders' names; empty of a single run
  std::vector<std::vector<Prediction>> predictions;
  std::vector<scores::ScoreOfSample> scores;
};

int64_t seed_of(const fs::path& run) {
  const auto name = run.filename().string();
  int64_t seed = -1;
  if (!name.starts_with("seed-") || !fs::is_directory(run)) return -1;
  const auto [end, error] = std::from_chars(name.data() + 5, name.data() + name.size(), seed);
  return error == std::errc{} && end == name.data() + name.size() ? seed : -1;
}

// Beside each other where saobp evaluate has put them, with --output.
bool holds_predictions(const fs::path& folder, const std::string& task) {
  if (!fs::is_directory(folder)) return false;
  return std::any_of(fs::directory_iterator(folder), fs::directory_iterator(), [&](const auto& entry) {
    const auto name = entry.path().filename().string();
    return name.starts_with(task + "-") && name.ends_with(kPredictions);
  });
}

Arm arm_of(const fs::path& folder, const tasks::Task& task, const std::string& split, const std::string& score) {
  Arm arm{runs_of(folder, task.name), {}, {}, {}};
  for (const auto& run : arm.runs) {
    const auto eval = fs::is_directory(run / "eval") ? run / "eval" : run;
    const auto path = eval / concat(task.name, "-", split, kPredictions);
    if (!fs::exists(path))
      fail(path.string(), ": is not there; saobp evaluate ", run.string(), " --task ", task.name, " --split ", split,
           " makes it");
    arm.predictions.push_back(tasks::read_predictions(path));
    try {
      arm.scores.push_back(tasks::score_of_sample(task, arm.predictions.back(), score));
    } catch (const UsageError&) {
      throw;
    } catch (const Error& error) {
      fail(path.string(), ": ", error.what());
    }
    if (arm.runs.size() > 1) arm.seeds.push_back(seed_of(run));
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
  const auto number = [](double value) { return std::isfinite(value) ? Json(value) : Json(); };
  return {
      {"value", number(found.value)}, {"low", number(found.low)}, {"high", number(found.high)}, {"p", number(found.p)}};
}

Json side(const Arm& arm, const fs::path& run, const std::vector<int64_t>& every) {
  double sum = 0;
  for (const auto& score : arm.scores) sum += score(every);
  return {{"run", run.string()}, {"runs", arm.runs.size()}, {"value", sum / static_cast<double>(arm.scores.size())}};
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

}  // namespace

std::vector<fs::path> runs_of(const fs::path& run, const std::string& task) {
  if (fs::is_directory(run / "eval") || holds_predictions(run, task)) return {run};
  std::vector<fs::path> runs;
  if (fs::is_directory(run / task))
    for (const auto& entry : fs::directory_iterator(run / task))
      if (seed_of(entry.path()) >= 0) runs.push_back(entry.path());
  std::sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return seed_of(a) < seed_of(b); });
  if (runs.empty())
    fail(run.string(),
         fs::exists(run) ? concat(": holds neither eval/ nor predictions for ", task, " nor ", task, "/seed-N")
                         : ": is missing",
         "; a run with scores, the folder of a suite, or that of saobp evaluate --output was expected");
  return runs;
}

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
  const bool lower = scores::lower_is_better(score);
  const bool better = lower ? found.is_worse() : found.is_better(),
             worse = lower ? found.is_better() : found.is_worse();
  Json mcnemar = nullptr;
  const bool right_or_wrong = task.kind == tasks::Kind::classification || task.kind == tasks::Kind::choice;
  if (first.runs.size() == 1 && second.runs.size() == 1 && right_or_wrong) {
    const auto test = scores::mcnemar(right_ones(first, score), right_ones(second, score));
    mcnemar = {{"only_first_right", test.only_first}, {"only_second_right", test.only_second}, {"p", test.p}};
  }
  return {{"task", task.name},
          {"split", split},
          {"score", score},
          {"examples", examples},
          {"first", side(first, first_run, every)},
          {"second", side(second, second_run, every)},
          {"difference", to_json(found)},
          {"verdict", better  ? "better"
                      : worse ? "worse"
                              : "no difference shown"},
          {"resampled", resampled},
          {"by_examples", to_json(by_examples)},
          {"mcnemar", mcnemar}};
}

}  // namespace saobp::recipes
