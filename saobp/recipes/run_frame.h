// One rank's work on a run, from its first step or from a checkpoint on, when it is clear that it may begin.
#pragma once

#include <memory>
#include <optional>

#include "saobp/recipes/recipe.h"
#include "saobp/train/run_lock.h"

namespace saobp::recipes {

class RunFrame {
 public:
  RunFrame(const Recipe& recipe, const io::Json& options, const RunPlace& place);

  // A new run. Error when its folder is there by the time that it could begin.
  RunOutcome start();

  // Goes on with a run whose lock rank 0 holds. `other_steps`: --steps was given anew, and has to lie beyond what is
  // done.
  RunOutcome go_on(std::optional<train::RunLock> lock, bool other_steps);

 private:
  void load(const std::vector<fs::path>& newest_first, bool other_steps);
  RunOutcome train();

  const Recipe& recipe_;
  const io::Json options_;
  const RunPlace place_;
  std::unique_ptr<Composition> composed_;
  const RunKeys keys_;
  const train::TrainerOptions trainer_options_;
  train::TrainerParts parts_;
  std::optional<train::Trainer> trainer_;
  io::Json record_;  // rank 0's
};

// Error when the folder of a run that is to begin is there, naming who trains in it.
void refuse_existing(const fs::path& run);

}  // namespace saobp::recipes
