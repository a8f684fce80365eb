#include "saobp/data/khop.h"

#include <algorithm>

#include "saobp/data/random.h"
#include "saobp/io/fields.h"
#include "saobp/io/file.h"

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

// The chain's facts in random places, at least `distance` sentences apart, the others between them.
std::vector<std::string> strewn(std::vector<std::string> chain, std::vector<std::string> others, int64_t distance,
                                Random& draw) {
  shuffle(chain, draw);
  shuffle(others, draw);
  const auto between = static_cast<size_t>(distance) * (chain.size() - 1);
  // What is not needed between two facts is dealt out over all gaps, the ends too.
  std::vector<size_t> gaps(chain.size() + 1, 0);
  for (size_t n = 1; n + 1 < gaps.size(); ++n) gaps[n] = static_cast<size_t>(distance);
  for (size_t n = between; n < others.size(); ++n) ++gaps[draw.below(gaps.size())];
  std::vector<std::string> sentences;
  auto next = others.begin();
  for (size_t n = 0; n < gaps.size(); ++n) {
    sentences.insert(sentences.end(), next, next + static_cast<std::ptrdiff_t>(gaps[n]));
    next += static_cast<std::ptrdiff_t>(gaps[n]);
    if (n < chain.size()) sentences.push_back(chain[n]);
  }
  return sentences;
}

void check(const KhopOptions& o) {
  if (o.hops.empty()) fail_usage("--hops is empty; numbers such as 1,2,3 were expected");
  for (int64_t hops : o.hops) {
    if (hops < 1) fail_usage("--hops: ", hops, " was given; at least 1 was expected");
    const auto nouns = o.chains * (hops + 1);
    if (nouns > static_cast<int64_t>(kNouns.size()))
      fail_usage("--hops ", hops, " and --chains ", o.chains, ": need ", nouns, " things; there are ", kNouns.size());
    const auto others = (o.chains - 1) * hops + o.fillers;
    if (o.distance * (hops - 1) > others)
      fail_usage("--distance: ", o.distance, " was given; of ", hops, " hops there are ", others,
                 " other sentences to stand between the facts (--fillers makes more)");
  }
}

}  // namespace

io::Json khop_example(const KhopOptions& options, const std::string& split, int64_t number) {
  const uint64_t place = split == "train" ? 0 : split == "dev" ? 1 : 2;
  Random draw(static_cast<uint64_t>(options.seed), Purpose::khop, 3 * static_cast<uint64_t>(number) + place);
  const auto hops = options.hops[static_cast<size_t>(number) % options.hops.size()];
  auto nouns = kNouns;
  shuffle(nouns, draw);
  std::vector<std::string> chain, others, ends;
  auto noun = nouns.begin();
  const auto asked = *noun;
  for (int64_t c = 0; c < options.chains; ++c, ++noun) {
    for (int64_t h = 0; h < hops; ++h, ++noun)
      (c == 0 ? chain : others).push_back(concat("the ", *noun, " is in the ", *(noun + 1), " ."));
    ends.push_back(*noun);
  }
  for (int64_t n = 0; n < options.fillers; ++n) others.push_back(kFillers[draw.below(kFillers.size())]);
  const auto text = joined(strewn(std::move(chain), std::move(others), options.distance, draw));
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
                 {{"hops", options.hops},
                  {"chains", options.chains},
                  {"fillers", options.fillers},
                  {"distance", options.distance},
                  {"seed", options.seed},
                  {"examples", {{"train", options.train}, {"dev", options.dev}, {"test", options.test}}}});
}

}  // namespace saobp::data
