#include "saobp/recipes/training_examples.h"

#include <algorithm>
#include <cmath>

#include "saobp/data/random.h"
#include "saobp/io/words.h"

namespace saobp::recipes {
namespace {

// `count` places of `total`, ascending.
std::vector<uint32_t> drawn_places(size_t total, size_t count, int64_t seed, data::Purpose purpose) {
  auto order =
      data::random_permutation(static_cast<uint32_t>(total), data::Random(static_cast<uint64_t>(seed), purpose));
  order.resize(count);
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace

tasks::Examples training_examples(const tasks::Task& task, const TaskOptions& options, int64_t seed) {
  auto all = tasks::read_examples(task, "train", options.data);
  const auto count = static_cast<size_t>(options.train_rows);
  if (count == 0 || count >= all.list.size()) return all;
  std::vector<tasks::Example> drawn;
  drawn.reserve(count);
  for (uint32_t place : drawn_places(all.list.size(), count, seed, data::Purpose::example_choice))
    drawn.push_back(std::move(all.list[place]));
  all.notes.push_back(
      concat(io::grouped(options.train_rows), " of ", io::counted(all.list.size(), "example"), " are drawn"));
  all.list = std::move(drawn);
  return all;
}

tasks::Examples hold_back(tasks::Examples& examples, double share, int64_t seed) {
  tasks::Examples held;
  held.labelled = examples.labelled, held.may_be_impossible = examples.may_be_impossible, held.file = examples.file;
  held.key = examples.key;
  const auto count = static_cast<size_t>(std::llround(share * static_cast<double>(examples.list.size())));
  if (share == 0) return held;
  if (count == 0 || count == examples.list.size())
    fail_usage("--holdout: ", share, " of ", io::counted(examples.list.size(), "example"), " is ", count,
               "; one at least, and not all, was expected");
  const auto order = drawn_places(examples.list.size(), count, seed, data::Purpose::held_out_examples);
  std::vector<tasks::Example> kept;
  kept.reserve(examples.list.size() - count);
  auto next = order.begin();
  for (size_t i = 0; i < examples.list.size(); ++i) {
    const bool out = next != order.end() && *next == i;
    if (out) ++next;
    (out ? held.list : kept).push_back(std::move(examples.list[i]));
  }
  examples.list = std::move(kept);
  examples.notes.push_back(concat(io::counted(count, "example"), " held back, to choose by"));
  return held;
}

}  // namespace saobp::recipes
