// A split that a model is scored on while it trains, after it, or both.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "saobp/recipes/evaluation.h"
#include "saobp/train/objective.h"
#include "saobp/train/reporter.h"

namespace saobp::recipes {

// Of the examples, and what was cut or left out of their rows.
void tell(const std::string& topic, const tasks::Examples& examples, const tasks::Objective& rows,
          const train::Reporter& reporter);

// Has its examples and their rows. Its figure is the task's first score.
class ScoredSplit final : public train::Validator {
 public:
  // What all splits of a task share; the task and the world must outlive them.
  struct Scoring {
    const tasks::Task& task;
    std::function<std::unique_ptr<tasks::Objective>(const tasks::Examples&)> make_rows;
    model::Model model;
    int64_t batch;
    const train::World& world;
  };

  ScoredSplit(std::string name, tasks::Examples examples, const Scoring& scoring);
  ScoredSplit(const ScoredSplit&) = delete;
  ScoredSplit& operator=(const ScoredSplit&) = delete;

  const std::string& name() const { return name_; }
  const tasks::Examples& examples() const { return examples_; }
  const tasks::Objective& rows() const { return *rows_; }
  void tell(const train::Reporter& reporter) const { recipes::tell(name_, examples_, *rows_, reporter); }

  const char* figure() const override { return asking_.task.scores.front().c_str(); }
  bool lower_is_better() const override { return false; }
  // By all ranks.
  std::optional<train::Validated> validate(const std::function<bool()>& stop) override;

  // Of the model as it is now, by the first rank alone.
  Evaluation now() const { return *evaluate(model_, asking_); }
  // The same, after the last step: what the last validation found, if there was one. A run that was stopped between
  // that and its end has made it before, so that it is made again.
  const Evaluation& last();

 private:
  const std::string name_;
  const tasks::Examples examples_;
  const std::unique_ptr<tasks::Objective> rows_;
  model::Model model_;
  const Asking asking_;
  const train::World& world_;
  std::optional<Evaluation> newest_;
};

}  // namespace saobp::recipes
