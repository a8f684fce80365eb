// What a run writes while it works: metrics.jsonl and, if wanted, TensorBoard's event files.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>

#include "saobp/io/tensorboard.h"
#include "saobp/train/metrics_log.h"

namespace saobp::train {

class RunLog {
 public:
  // Both go on from `step`: later lines of metrics.jsonl are dropped, later events taken back. A line with `figure` is
  // of a validation.
  RunLog(const fs::path& run, int64_t step, bool tensorboard, const std::string& figure = "validation_loss",
         bool lower_is_better = true)
      : metrics_(run / "metrics.jsonl", step), figure_(figure), lower_is_better_(lower_is_better) {
    if (tensorboard) events_.emplace(run, step);
    for (const auto& line : metrics_.kept()) remember(line);
  }

  // A line of metrics.jsonl; its numbers are scalars of TensorBoard: validation/… of a validation, else training/….
  void write(const io::Json& line) {
    metrics_.write(line);
    remember(line);
    if (!events_) return;
    const bool validation = line.contains(figure_);
    io::Scalars scalars;
    for (const auto& [key, value] : line.items())
      if (value.is_number() && key != "step")
        scalars.emplace_back(validation ? "validation/" + (key == "validation_loss" ? "loss" : key) : "training/" + key,
                             value.get<double>());
    if (line.contains("strengths")) add_strengths(line["strengths"], scalars);
    events_->write(line.at("step").get<int64_t>(), scalars);
  }

  // A line whose scalars are named otherwise.
  void write(const io::Json& line, const io::Scalars& scalars) {
    metrics_.write(line);
    remember(line);
    if (events_) events_->write(line.at("step").get<int64_t>(), scalars);
  }

  // The newest line about a step, and about a validation; empty objects where there is none.
  const io::Json& step() const { return step_; }
  const io::Json& validation() const { return validation_; }
  // The step of the newest look at attention; −1 where there is none.
  int64_t looked() const { return looked_; }
  const std::string& damage() const { return metrics_.damage(); }
  // Of all validations; nothing before the first one.
  std::optional<double> best_figure() const { return best_figure_; }
  // So many after the one that gave it; those without a value count too.
  int64_t validations_since_best() const { return since_best_; }

 private:
  void remember(const io::Json& line) {
    if (line.contains("loss")) step_ = line;
    if (line.contains("attention")) looked_ = line.at("step").get<int64_t>();
    if (!line.contains(figure_)) return;
    validation_ = line;
    ++since_best_;
    if (!line[figure_].is_number()) return;  // undefined
    const double figure = line[figure_].get<double>();
    if (best_figure_ && (lower_is_better_ ? figure >= *best_figure_ : figure <= *best_figure_)) return;
    best_figure_ = figure;
    since_best_ = 0;
  }

  // strength/layer_0 …: means over heads.
  static void add_strengths(const io::Json& layers, io::Scalars& scalars) {
    for (size_t layer = 0; layer < layers.size(); ++layer) {
      double sum = 0;
      const auto heads = layers[layer].is_array() ? layers[layer] : io::Json::array({layers[layer]});
      for (double strength : heads) sum += strength;
      scalars.emplace_back(concat("strength/layer_", layer), sum / static_cast<double>(heads.size()));
    }
  }

  MetricsLog metrics_;
  std::optional<io::TensorBoardWriter> events_;
  io::Json step_ = io::Json::object(), validation_ = io::Json::object();
  int64_t looked_ = -1;
  std::string figure_;
  bool lower_is_better_;
  std::optional<double> best_figure_;
  int64_t since_best_ = 0;
};

}  // namespace saobp::train
