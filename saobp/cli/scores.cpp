#include "saobp/cli/scores.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "saobp/io/words.h"
#include "saobp/scores/shown.h"
#include "saobp/train/wording.h"

namespace saobp::cli {
namespace {

using scores::unit_of;
using train::format;

std::optional<double> number(const io::Json& json) {
  return json.is_number() ? std::optional(json.get<double>()) : std::nullopt;
}

std::string points(const std::optional<double>& value, double unit) {
  return value ? format("%6.2f", unit * *value) : "   –  ";
}

std::string shares(const io::Json& predicted) {
  std::vector<std::string> words;
  for (const auto& [name, share] : predicted.items())
    words.push_back(concat(name, format(" %.1f %%", 100 * share.get<double>())));
  return io::listed(words, "and");
}

std::string seeds(const io::Json& which) {
  std::vector<std::string> words;
  for (const auto& seed : which) words.push_back(seed.dump());
  return concat(which.size() == 1 ? "seed " : "seeds ", io::listed(words, "and"));
}

// Of the columns, at least as wide as what stands in them.
struct Widths {
  size_t task = 14, split = 16, score = 13;
};

Widths widths_of(const std::vector<TaskScores>& tasks) {
  Widths widths;
  const auto fit = [](size_t& width, const std::string& text) { width = std::max(width, text.size() + 2); };
  for (const auto& task : tasks) {
    fit(widths.task, task.task), fit(widths.split, task.split);
    const auto& found = task.scores.at("scores");
    for (const auto& [name, score] : found.items()) fit(widths.score, name);
  }
  return widths;
}

std::string line_of(const TaskScores& task, const std::string& name, const io::Json& score, const Widths& widths) {
  const double unit = unit_of(name);
  const auto value = number(score.at("value")), error = number(score.at("standard_error"));
  std::string line = io::padded(task.task, widths.task) + io::padded(task.split, widths.split) +
                     io::padded(name, widths.score) + (value ? points(value, unit) : " undefined") +
                     (error ? format(" ± %.2f", unit * *error) : "");
  if (const auto deviation = number(score.value("standard_deviation", io::Json())))
    line += format(", sd %.2f of %d seeds", unit * *deviation, static_cast<int>(score.at("values").size()));
  line = io::padded(line + "  ", widths.task + widths.split + widths.score + 17);
  std::optional<double> best;
  std::vector<std::string> words;
  const auto baselines = task.scores.value("baselines", io::Json::object());
  for (const auto& [baseline, scores] : baselines.items()) {
    if (!scores.contains(name)) continue;
    const auto found = number(scores.at(name));
    words.push_back(concat(baseline, " ", found ? format("%.2f", unit * *found) : "undefined"));
    if (found && (!best || *found > *best)) best = found;
  }
  if (best && value && error && *value - 2 * *error <= *best) line += "≈ ";
  return line + io::listed(words, "and");
}

}  // namespace

std::string scores_table(const std::vector<TaskScores>& tasks, bool by_length) {
  const auto widths = widths_of(tasks);
  std::string text = io::padded("task", widths.task) + io::padded("split", widths.split) +
                     io::padded("score", widths.score) + io::padded("points", 17) + "baselines\n";
  bool marked = false;
  for (const auto& task : tasks) {
    for (const auto& [name, score] : task.scores.at("scores").items()) {
      const auto line = line_of(task, name, score, widths);
      marked |= line.find("≈") != std::string::npos;
      text += line + "\n";
    }
    if (const auto failed = task.scores.value("failed_seeds", int64_t{0}); failed > 0)
      text += io::padded("", widths.task) +
              concat("no better than the majority: ", failed, " of ",
                     io::counted(task.scores.at("seeds").get<int64_t>(), "seed")) +
              "\n";
    if (task.scores.contains("diverged_seeds"))
      text +=
          io::padded("", widths.task) + "diverged, without a score: " + seeds(task.scores.at("diverged_seeds")) + "\n";
    if (task.scores.contains("predicted") && task.scores.at("predicted").size() <= 8)
      text += io::padded("", widths.task) + "predicted: " + shares(task.scores.at("predicted")) + "\n";
    if (task.scores.contains("doubt"))
      text += io::padded("", widths.task) + task.scores.at("doubt").get<std::string>() + "\n";
    if (const auto ties = task.scores.value("ties", int64_t{0}); ties > 0)
      text += io::padded("", widths.task) + concat("tied: ", io::counted(ties, "example")) + "\n";
    if (task.scores.contains("tokens") && task.scores.contains("bytes"))
      text += io::padded("", widths.task) + concat("over ", io::grouped(task.scores.at("tokens").get<int64_t>()),
                                                   " tokens, ", io::grouped(task.scores.at("words").get<int64_t>()),
                                                   " words, ", io::grouped(task.scores.at("bytes").get<int64_t>()),
                                                   " bytes\n");
    const auto groups = task.scores.value("groups", io::Json::object());
    for (const auto& [group, parts] : groups.items()) {
      if (group == "length" && !by_length) continue;
      for (const auto& [part, found] : parts.items()) {
        const auto first = found.at("scores").items().begin();
        text += io::padded("", widths.task) + io::padded(concat(group, " ", part), widths.split + widths.score) +
                points(number(first.value().at("value")), unit_of(first.key())) +
                concat("  of ", io::counted(found.at("examples").get<int64_t>(), "example")) + "\n";
      }
    }
  }
  if (marked) text += "≈ no better than that baseline, within two standard errors\n";
  text += "± standard error over examples";
  return text;
}

}  // namespace saobp::cli
