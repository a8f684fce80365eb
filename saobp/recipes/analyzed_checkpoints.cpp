#include "saobp/recipes/analyzed_checkpoints.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "saobp/io/number.h"
#include "saobp/recipes/evaluate.h"
#include "saobp/train/run_folder.h"

namespace saobp::recipes {
namespace {

int64_t step_of(const fs::path& checkpoint) { return std::stoll(checkpoint.filename().string().substr(5)); }

int64_t step_in(const std::string& text) {
  const auto step = io::number_in<int64_t>(text);
  if (!step) fail_usage("--checkpoints: \"", text, "\" was given; all, or steps with commas between were expected");
  return *step;
}

}  // namespace

std::vector<fs::path> chosen_checkpoints(const fs::path& run, const std::string& which) {
  auto all = train::Checkpoints(run, 1).newest_first();
  if (all.empty()) fail(run.string(), ": has no checkpoints; a run folder with checkpoints/ was expected");
  std::reverse(all.begin(), all.end());
  if (which == "all") return all;
  std::vector<fs::path> chosen;
  std::istringstream steps(which);
  for (std::string text; std::getline(steps, text, ',');) {
    const auto step = step_in(text);
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const fs::path& folder) { return step_of(folder) == step; });
    if (found == all.end())
      fail(run.string(), ": has no checkpoint of step ", step, "; there are ", all.size(), ", from ",
           all.front().filename().string(), " to ", all.back().filename().string());
    if (std::find(chosen.begin(), chosen.end(), *found) != chosen.end())
      fail_usage("--checkpoints: ", step, " was given twice");
    chosen.push_back(*found);
  }
  return chosen;
}

std::vector<int64_t> steps_of(const std::vector<fs::path>& checkpoints) {
  std::vector<int64_t> steps;
  steps.reserve(checkpoints.size());
  for (const auto& folder : checkpoints) steps.push_back(step_of(folder));
  return steps;
}

KeyedNumbers numbers_of_checkpoints(const fs::path& run, const fs::path& scores) {
  if (!scores.empty()) return read_keyed_numbers(scores, "step");
  const auto log = run / "metrics.jsonl";
  if (!fs::exists(log)) return {};
  auto found = read_keyed_numbers(log, "step", /*log=*/true);
  std::set<std::string> figures = {"validation_loss"};
  if (const auto tuned = fine_tuned_with(run)) {
    const auto of_task = tasks::find_task(tuned->options.task.task, tuned->options.task.preset).scores;
    figures.insert(of_task.begin(), of_task.end());
  }
  std::erase_if(found.names, [&](const std::string& name) { return !figures.contains(name); });
  return found;
}

}  // namespace saobp::recipes
