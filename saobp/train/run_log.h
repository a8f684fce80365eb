// What a run writes while it works: metrics.jsonl and, if wanted, TensorBoard's event files.
#pragma once

#include <optional>

#include "saobp/io/tensorboard.h"
#include "saobp/train/run_folder.h"

namespace saobp::train {

class RunLog {
 public:
  // Both go on from `step`: later lines of metrics.jsonl are dropped, later events taken back.
  RunLog(const fs::path& run, int64_t step, bool tensorboard) : metrics_(run / "metrics.jsonl", step) {
    if (tensorboard) events_.emplace(run, step);
  }

  // A line of metrics.jsonl; its numbers are scalars of TensorBoard: validation/… of a validation, else training/….
  void write(const io::Json& line) {
    metrics_.write(line);
    if (!events_) return;
    const bool validation = line.contains("validation_loss");
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
    if (events_) events_->write(line.at("step").get<int64_t>(), scalars);
  }

  // The lines that were there, up to `step`.
  const std::vector<io::Json>& kept() const { return metrics_.kept(); }

 private:
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
};

}  // namespace saobp::train
