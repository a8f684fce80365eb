// Settings tried one by one, of which the one is taken that does best on what is held back of the training set.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "saobp/recipes/finetune_options.h"

namespace saobp::recipes {

struct Grid {
  std::string name;
  std::vector<int64_t> batches;
  std::vector<double> rates;
  int64_t epochs = 0;  // 0: as without a grid
};

// "turc": batches of 8, 16, 32, 64 and 128, rates of 3e-4, 1e-4, 5e-5 and 3e-5, 4 epochs unless --epochs says otherwise
// (Turc et al. 2019, arXiv 1908.08962, as google-research/bert's README has it); or batches and rates:
// "16,32:1e-4,5e-5". UsageError naming what was expected.
Grid grid_from(const std::string& text);

// The options of each try, batch by batch.
std::vector<FinetuneOptions> tries_of(const Grid& grid, const FinetuneOptions& options);

// "batch-16-rate-0.0001", a folder's name.
std::string name_of_try(const FinetuneOptions& options);

}  // namespace saobp::recipes
