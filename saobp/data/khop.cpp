#include "saobp/data/khop.h"

#include <algorithm>
#include <optional>

#include "saobp/data/random.h"
#include "saobp/io/fields.h"
#include "saobp/io/file.h"
#include "saobp/io/words.h"

namespace saobp::data {
namespace {

const std::vector<std::string> kNouns = {
    "key",    "box",     "hall",   "mill",  "town",    "bag",   "tent",    "boat",    "tower",  "garden", "chest",
    "cave",   "barn",    "cart",   "house", "valley",  "ring",  "purse",   "coat",    "room",   "castle", "forest",
    "book",   "shelf",   "school", "city",  "coin",    "jar",   "kitchen", "farm",    "county", "letter", "desk",
    "office", "street",  "island", "stone", "pocket",  "car",   "garage",  "village", "map",    "drawer", "ship",
    "harbor", "lamp",    "basket", "shop",  "market",  "egg",   "nest",    "tree",    "park",   "doll",   "trunk",
    "train",  "station", "pen",    "case",  "library", "cup",   "cabinet", "hut",     "camp",   "bottle", "crate",
    "truck",  "factory", "fish",   "pond",  "field",   "bridge"};
const std::vector<std::string> kFillers = {"rain fell on the hills .", "the wind was cold .",      "it was late .",
                                           "nobody was there .",       "the sun came out again .", "time went by ."};

template <class T>
void shuffle(std::vector<T>& values, Random& draw) {
  for (size_t n = values.size(); n > 1; --n) std::swap(values[n - 1], values[draw.below(n)]);
}

std::string joined(const std::vector<std::string>& sentences) {
  std::string text;
  for (const auto& sentence : sentences) text += (text.empty() ? "" : " ") + sentence;
  return text;
}

using Sentences = std::vector<std::string>;

// All sentences in a random order in which facts of a chain stand at least `distance` others apart; nothing where the
// order that was begun cannot be ended so.
std::optional<Sentences> in_random_order(const std::vector<Sentences>& chains, const Sentences& fillers,
                                         size_t distance, Random& draw) {
  auto parts = chains;
  parts.push_back(fillers);
  std::vector<size_t> placed(parts.size(), 0), free_from(parts.size(), 0);
  size_t all = 0;
  for (const auto& part : parts) all += part.size();
  Sentences order;
  while (order.size() < all) {
    size_t choices = 0;
    const auto left = [&](size_t part) {
      return free_from[part] > order.size() ? 0 : parts[part].size() - placed[part];
    };
    for (size_t part = 0; part < parts.size(); ++part) choices += left(part);
    if (choices == 0) return {};
    size_t part = 0;
    for (auto drawn = draw.below(choices); drawn >= left(part); ++part) drawn -= left(part);
    if (part < chains.size()) free_from[part] = order.size() + distance + 1;
    order.push_back(parts[part][placed[part]++]);
  }
  return order;
}

// The same in rounds, a fact of each chain in each, fillers between them.
Sentences in_rounds(const std::vector<Sentences>& chains, const Sentences& fillers) {
  const size_t rounds = chains.front().size();
  Sentences order;
  size_t filler = 0;
  for (size_t round = 0; round < rounds; ++round) {
    for (const auto& chain : chains) order.push_back(chain[round]);
    const auto until =
        rounds == 1 ? fillers.size() : std::min(fillers.size(), fillers.size() * (round + 1) / (rounds - 1));
    for (; filler < until; ++filler) order.push_back(fillers[filler]);
  }
  return order;
}

// Every chain is treated alike, so that the place of its facts does not tell which one is asked for.
Sentences strewn(std::vector<Sentences> chains, Sentences fillers, int64_t distance, Random& draw) {
  shuffle(chains, draw);
  for (auto& chain : chains) shuffle(chain, draw);
  shuffle(fillers, draw);
  for (int tries = 0; tries < 100; ++tries)
    if (auto order = in_random_order(chains, fillers, static_cast<size_t>(distance), draw)) return *order;
  return in_rounds(chains, fillers);
}

void check(const KhopOptions& o) {
  if (o.hops.empty()) fail_usage("--hops is empty; numbers such as 1,2,3 were expected");
  for (int64_t hops : o.hops) {
    if (hops < 1) fail_usage("--hops: ", hops, " was given; at least 1 was expected");
    const auto nouns = o.chains * (hops + 1);
    if (nouns > static_cast<int64_t>(kNouns.size()))
      fail_usage("--hops ", hops, " and --chains ", o.chains, ": need ", nouns, " things; there are ", kNouns.size());
    const auto most = hops == 1 ? o.distance : o.chains - 1 + o.fillers / (hops - 1);
    if (o.distance > most)
      fail_usage("--distance: ", o.distance, " was given; with ", io::counted(o.chains, "chain"), " of ", hops,
                 " hops and ", io::counted(o.fillers, "filler"), " the facts of each can stand ", most,
                 " sentences apart (--fillers makes more)");
  }
}

}  // namespace

io::Json khop_example(const KhopOptions& options, const std::string& split, int64_t number) {
  const uint64_t place = split == "train" ? 0 : split == "dev" ? 1 : 2;
  Random draw(static_cast<uint64_t>(options.seed), Purpose::khop, 3 * static_cast<uint64_t>(number) + place);
  const auto hops = options.hops[static_cast<size_t>(number) % options.hops.size()];
  auto nouns = kNouns;
  shuffle(nouns, draw);
  std::vector<Sentences> chains(static_cast<size_t>(options.chains));
  Sentences fillers, ends;
  auto noun = nouns.begin();
  const auto asked = *noun;
  for (auto& chain : chains) {
    for (int64_t h = 0; h < hops; ++h, ++noun) chain.push_back(concat("the ", *noun, " is in the ", *(noun + 1), " ."));
    ends.push_back(*noun++);
  }
  for (int64_t n = 0; n < options.fillers; ++n) fillers.push_back(kFillers[draw.below(kFillers.size())]);
  const auto text = joined(strewn(std::move(chains), std::move(fillers), options.distance, draw));
  const auto right = ends.front();
  shuffle(ends, draw);
  const auto label = std::find(ends.begin(), ends.end(), right) - ends.begin();
  return {{"id", concat(split, "-", number)},
          {"text", text},
          {"question", concat("where does the ", asked, " end up ?")},
          {"options", ends},
          {"label", label},
          {"hops", hops}};
}

void write_khop(const KhopOptions& options, const std::filesystem::path& folder) {
  check(options);
  io::make_folder(folder);
  const std::pair<const char*, int64_t> splits[] = {
      {"train", options.train}, {"dev", options.dev}, {"test", options.test}};
  for (const auto& [split, count] : splits) {
    if (count == 0) continue;
    io::AtomicFile file(folder / concat(split, ".jsonl"));
    for (int64_t n = 0; n < count; ++n) file.write(khop_example(options, split, n).dump() + "\n");
    file.commit();
  }
  io::write_json(folder / "khop.json",
                 {{"version", 2},  // of how sentences are ordered
                  {"hops", options.hops},
                  {"chains", options.chains},
                  {"fillers", options.fillers},
                  {"distance", options.distance},
                  {"seed", options.seed},
                  {"examples", {{"train", options.train}, {"dev", options.dev}, {"test", options.test}}}});
}

}  // namespace saobp::data
