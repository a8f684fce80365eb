#include "saobp/recipes/grid.h"

#include <algorithm>

#include "saobp/io/number.h"
#include "saobp/io/words.h"

namespace saobp::recipes {
namespace {

// "16,32" → numbers; nothing where one is none.
template <class T>
std::optional<std::vector<T>> numbers_in(std::string_view text) {
  std::vector<T> found;
  for (size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find(',', at), text.size());
    const auto value = io::number_in<T>(text.substr(at, end - at));
    if (!value || !(*value > 0)) return {};
    found.push_back(*value);
    at = end + 1;
  }
  return found;
}

}  // namespace

Grid grid_from(const std::string& text) {
  if (text == "turc") return {text, {8, 16, 32, 64, 128}, {3e-4, 1e-4, 5e-5, 3e-5}, 4};
  const auto colon = text.find(':');
  const auto batches = numbers_in<int64_t>(std::string_view(text).substr(0, colon));
  const auto rates =
      colon == std::string::npos ? std::nullopt : numbers_in<double>(std::string_view(text).substr(colon + 1));
  if (!batches || !rates)
    fail_usage("--grid: \"", text, "\" was given; turc, or batches and rates such as 16,32:1e-4,5e-5, was expected");
  return {text, *batches, *rates, 0};
}

std::vector<FinetuneOptions> tries_of(const Grid& grid, const FinetuneOptions& options) {
  std::vector<FinetuneOptions> tries;
  tries.reserve(grid.batches.size() * grid.rates.size());
  for (int64_t batch : grid.batches)
    for (double rate : grid.rates) {
      auto& of_try = tries.emplace_back(options);
      of_try.train.batch = batch;
      of_try.optimizer.learning_rate = rate, of_try.rate_of_task = false;
      if (grid.epochs > 0 && of_try.train.epochs == 0) of_try.train.epochs = grid.epochs;
      if (of_try.task.holdout == 0) of_try.task.holdout = 0.1;
    }
  return tries;
}

std::string name_of_try(const FinetuneOptions& options) {
  return concat("batch-", options.train.batch, "-rate-", io::Json(options.optimizer.learning_rate).dump());
}

}  // namespace saobp::recipes
