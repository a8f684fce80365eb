#include "saobp/recipes/training_examples.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

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

// What several questions may be about, so that none is chosen by on what another taught: of a span its context, of a
// choice its first text; else the example's own id.
std::string_view passage_of(const tasks::Task& task, const tasks::Example& example) {
  if (task.kind == tasks::Kind::choice) return example.first;
  return task.kind == tasks::Kind::span ? *example.second : example.id;
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

tasks::Examples hold_back(const tasks::Task& task, tasks::Examples& examples, double share, int64_t seed) {
  tasks::Examples held;
  held.labelled = examples.labelled, held.may_be_impossible = examples.may_be_impossible, held.file = examples.file;
  held.key = examples.key;
  const auto count = static_cast<size_t>(std::llround(share * static_cast<double>(examples.list.size())));
  if (share == 0) return held;
  if (count == 0 || count == examples.list.size())
    fail_usage("--holdout: ", share, " of ", io::counted(examples.list.size(), "example"), " is ", count,
               "; one at least, and not all, was expected");
  std::unordered_map<std::string_view, std::vector<size_t>> passages;
  std::vector<std::string_view> in_order;
  for (size_t i = 0; i < examples.list.size(); ++i) {
    const auto passage = passage_of(task, examples.list[i]);
    auto& places = passages[passage];
    if (places.empty()) in_order.push_back(passage);
    places.push_back(i);
  }
  if (in_order.size() < 2) fail_usage("--holdout: all examples are of one passage, which is not taken apart");
  const auto order =
      data::random_permutation(static_cast<uint32_t>(in_order.size()),
                               data::Random(static_cast<uint64_t>(seed), data::Purpose::held_out_examples));
  std::vector<bool> out(examples.list.size(), false);
  size_t taken = 0;
  for (size_t n = 0; taken < count && n + 1 < order.size(); ++n)
    for (const size_t place : passages.at(in_order[order[n]])) out[place] = true, ++taken;
  std::vector<tasks::Example> kept;
  kept.reserve(examples.list.size() - taken);
  for (size_t i = 0; i < examples.list.size(); ++i) (out[i] ? held.list : kept).push_back(std::move(examples.list[i]));
  examples.list = std::move(kept);
  examples.notes.push_back(concat(io::counted(taken, "example"), " held back, to choose by",
                                  in_order.size() < out.size() ? "; those of one passage stay together" : ""));
  return held;
}

std::string note_on_shared(const tasks::Examples& train, const tasks::Examples& dev) {
  const auto text_of = [](const tasks::Example& example) {
    std::string text = concat(example.first, '\0', example.second.value_or(""));
    for (const auto& option : example.options) text += concat('\0', option);
    return text;
  };
  std::unordered_set<std::string> known;
  for (const auto& example : dev.list) known.insert(text_of(example));
  const auto shared = std::count_if(train.list.begin(), train.list.end(),
                                    [&](const tasks::Example& example) { return known.contains(text_of(example)); });
  return shared == 0 ? ""
                     : concat(io::counted(shared, "example is", "examples are"),
                              " in the dev set too, text for text; its score counts them as if they were new");
}

}  // namespace saobp::recipes
