#include "saobp/scores/glue.h"

namespace saobp::scores {
namespace {

const std::vector<std::string> kTasks = {"cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"};

std::optional<double> score_of(const GlueScores& scores, const std::string& task, const std::string& name) {
  const auto found = scores.find(task);
  if (found == scores.end()) return {};
  const auto score = found->second.find(name);
  return score == found->second.end() ? std::nullopt : std::optional(score->second);
}

std::optional<double> mean_of(const std::optional<double>& a, const std::optional<double>& b) {
  if (!a || !b) return {};
  return 0.5 * (*a + *b);
}

template <class ScoreOf>
std::optional<double> average(bool with_wnli, ScoreOf&& score_of_task) {
  double sum = 0;
  int count = 0;
  for (const auto& task : kTasks) {
    if (task == "wnli" && !with_wnli) continue;
    const auto score = score_of_task(task);
    if (!score) return {};
    sum += *score, ++count;
  }
  return sum / count;
}

std::optional<double> one_score(const GlueScores& scores, const std::string& task) {
  return score_of(scores, task, task == "cola" ? "matthews" : task == "stsb" ? "pearson" : "accuracy");
}

}  // namespace

std::optional<double> glue_task(const GlueScores& scores, const std::string& task) {
  const auto of = [&](const char* name) { return score_of(scores, task, name); };
  if (task == "cola") return of("matthews");
  if (task == "stsb") return mean_of(of("pearson"), of("spearman"));
  if (task == "mrpc" || task == "qqp") return mean_of(of("f1"), of("accuracy"));
  if (task == "mnli") return mean_of(of("accuracy"), score_of(scores, "mnli_mismatched", "accuracy"));
  return of("accuracy");
}

std::optional<double> glue_site_average(const GlueScores& scores) {
  return average(true, [&](const std::string& task) { return glue_task(scores, task); });
}

std::optional<double> glue_without_wnli(const GlueScores& scores) {
  return average(false, [&](const std::string& task) { return glue_task(scores, task); });
}

std::optional<double> glue_paper_average(const GlueScores& scores) {
  return average(true, [&](const std::string& task) { return one_score(scores, task); });
}

}  // namespace saobp::scores
