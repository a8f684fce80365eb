// RUN/best: the model with the best figure of a validation so far, a folder for every verb that takes a model.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "saobp/train/reporter.h"

namespace saobp::train {

class BestModel {
 public:
  // `validation`: the key of the data that figures are of; those of other data are not compared. `figure`: its name.
  BestModel(const std::filesystem::path& run, std::vector<std::string> validation,
            std::string figure = "validation_loss", bool lower_is_better = true)
      : folder_(run / "best"),
        validation_(std::move(validation)),
        figure_(std::move(figure)),
        lower_is_better_(lower_is_better) {}

  const std::string& figure() const { return figure_; }
  bool lower_is_better() const { return lower_is_better_; }

  // What a run finds that goes on from `step`, after validations of which the best gave `logged`, if there was any. A
  // folder that is missing, damaged or of other data is told; the next validation then makes it anew.
  void go_on(int64_t step, std::optional<double> logged, const Reporter& reporter);

  bool beaten_by(double figure) const { return !best_ || (lower_is_better_ ? figure < *best_ : figure > *best_); }
  // `write` puts the model and what belongs to it into a folder, and gives XXH64 of model.safetensors.
  void save(int64_t step, double figure, const std::function<uint64_t(const std::filesystem::path&)>& write);

 private:
  std::filesystem::path folder_;
  std::vector<std::string> validation_;
  std::string figure_;
  bool lower_is_better_;
  std::optional<double> best_;
};

}  // namespace saobp::train
