// RUN/best: the model with the lowest validation loss so far, a folder for every verb that takes a model.
#pragma once

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "saobp/model/model.h"
#include "saobp/text/tokenizer.h"
#include "saobp/train/reporter.h"

namespace saobp::train {

class BestModel {
 public:
  // `validation`: the key of the text that losses are of; those of another text are not compared.
  BestModel(const std::filesystem::path& run, std::vector<std::string> validation)
      : folder_(run / "best"), validation_(std::move(validation)) {}

  // What a run finds that goes on from `step`, after validations of which the lowest gave `logged` (infinite: there
  // was none). A folder that is missing, damaged or of another text is told; the next validation then makes it anew.
  void go_on(int64_t step, double logged, const Reporter& reporter);

  bool beaten_by(double loss) const { return loss < lowest_; }
  void save(const model::Model& model, const text::Tokenizer& tokenizer, int64_t step, double loss);

 private:
  std::filesystem::path folder_;
  std::vector<std::string> validation_;
  double lowest_ = std::numeric_limits<double>::infinity();
};

}  // namespace saobp::train
