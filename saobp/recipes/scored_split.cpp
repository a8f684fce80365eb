#include "saobp/recipes/scored_split.h"

#include <utility>
#include <vector>

#include "saobp/io/words.h"
#include "saobp/train/wording.h"

namespace saobp::recipes {

void tell(const std::string& topic, const tasks::Examples& examples, const tasks::Objective& rows,
          const train::Reporter& reporter) {
  reporter.note(topic, examples.file.string(), ", ", io::counted(examples.list.size(), "example"));
  for (const auto* notes : {&examples.notes, &rows.notes()})
    for (const auto& each : *notes) reporter.note(topic, each);
}

ScoredSplit::ScoredSplit(std::string name, tasks::Examples examples, const Scoring& scoring)
    : name_(std::move(name)),
      examples_(std::move(examples)),
      rows_(scoring.make_rows(examples_)),
      model_(scoring.model),
      asking_{scoring.task, examples_, *rows_, scoring.batch},
      world_(scoring.world) {}

std::optional<train::Validated> ScoredSplit::validate(const std::function<bool()>& stop) {
  newest_ = evaluate(model_, asking_, stop, world_);
  if (!newest_) return {};
  train::Validated validated;
  std::vector<std::string> words;
  for (const auto& [name, score] : newest_->scores.at("scores").items()) {
    const auto& value = score.at("value");
    validated.line[name] = value;
    words.push_back(value.is_null() ? name + " undefined" : concat(name, train::format(" %.4f", value.get<double>())));
  }
  const auto& headline = validated.line.at(figure());
  validated.undefined = headline.is_null();
  if (!validated.undefined) validated.figure = headline.get<double>();
  validated.text = name_ + " " + io::listed(words, "and");
  return validated;
}

const Evaluation& ScoredSplit::last() {
  if (!newest_) newest_ = now();
  return *newest_;
}

}  // namespace saobp::recipes
