#include "saobp/data/demo_text.h"

#include <algorithm>
#include <vector>

#include "saobp/data/random.h"
#include "saobp/io/error.h"

namespace saobp::data {
namespace {

using Words = std::vector<std::string>;

// No word stands in two lists, so a word tells what kind of thing it belongs to.
const Words kColours = {"red",  "blue", "green", "yellow", "white",  "black", "brown",
                        "grey", "pink", "gold",  "purple", "orange", "amber", "crimson"};
const Words kItems = {"key",   "coin",  "ring", "book", "map",   "lamp",   "cup",   "knife",
                      "rope",  "drum",  "bell", "doll", "pearl", "crown",  "flute", "comb",
                      "clock", "brush", "shoe", "hat",  "scarf", "candle", "glove", "mirror"};
const Words kMaterials = {"oak", "iron", "glass", "clay", "leather", "copper", "pine", "paper", "marble", "silver"};
const Words kVessels = {"box",   "chest", "basket", "bag",  "jar",    "drawer",
                        "trunk", "crate", "sack",   "case", "barrel", "pot"};
const Words kSides = {"north", "south", "east", "west", "upper", "lower", "inner", "outer", "front", "back"};
const Words kRooms = {"hall",   "tower",  "cellar",   "kitchen", "attic",  "library",
                      "stable", "chapel", "workshop", "gallery", "pantry", "study"};
const Words kAges = {"old", "new", "broken", "quiet", "ruined", "little", "great", "hidden", "crooked", "famous"};
const Words kBuildings = {"mill",   "castle", "inn",  "school", "farm",   "abbey",
                          "palace", "house",  "fort", "lodge",  "bakery", "museum"};
const Words kTowns = {"ashford", "brindle", "corven", "dunmore", "elmsby", "fairwick", "galden",
                      "harrow",  "ilden",   "jarrow", "kelby",   "lorne",  "marston",  "norwell",
                      "osmere",  "penrith", "quill",  "redmoor", "stanby", "thorpe"};
const Words kPeople = {"mira", "tom",  "finn", "ivo",  "lena", "anna", "karl",  "nora", "otto", "rosa",
                       "emil", "ida",  "hugo", "vera", "max",  "ella", "paul",  "ruth", "jan",  "alma",
                       "leo",  "dora", "noah", "eva",  "sam",  "lucy", "oskar", "tess", "abel", "greta"};
const Words kFiller = {"rain fell on the hills .",       "a dog slept by the door .",
                       "it was a cold morning .",        "the wind came from the sea .",
                       "nobody said a word .",           "smoke rose above the roofs .",
                       "the sun went down slowly .",     "a child was singing outside .",
                       "there was snow in the fields .", "the river was high that spring ."};

// What a chain passes through, from its item upwards. Each level's entities are "the ADJECTIVE NOUN"; towns are names.
struct Level {
  const char* kind;
  const Words* adjectives;  // null: a name without article
  const Words* nouns;
  const char* verb;  // how it says that it is inside the next level, besides "is in"
};
const Level kLevels[] = {{"item", &kColours, &kItems, "lies in"},
                         {"vessel", &kMaterials, &kVessels, "stands in"},
                         {"room", &kSides, &kRooms, "is part of"},
                         {"building", &kAges, &kBuildings, "stands in"},
                         {"town", nullptr, &kTowns, nullptr}};
constexpr size_t kMinWords = 36, kMaxWords = 62, kMinQuestions = 1;

// SplitMix64 (Steele, Lea, Flood 2014): one 64-bit state, the same on every platform.
class StoryDice {
 public:
  explicit StoryDice(uint64_t seed) : state_(seed) {}

  uint64_t next() { return mix64(state_ += kMix64Step); }
  // 0 … n − 1. Scaling 32 bits is off from uniform by less than n / 2^32.
  size_t below(size_t n) { return static_cast<size_t>(((next() >> 32) * n) >> 32); }
  bool once_in(size_t n) { return below(n) == 0; }

  template <class T>
  void shuffle(std::vector<T>& values) {
    for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }
  // `count` different words.
  Words sample(const Words& from, size_t count) {
    Words words = from;
    shuffle(words);
    words.resize(count);
    return words;
  }

 private:
  uint64_t state_;
};

using Chain = Words;  // its entities, from the item upwards

std::vector<Chain> draw_chains(StoryDice& random) {
  std::vector<Chain> chains(random.once_in(3) ? 1 : 2);
  for (auto& chain : chains) chain.resize(1 + 2 + random.below(3));  // 2 to 4 links
  for (size_t level = 0; level < std::size(kLevels); ++level) {
    const Words nouns = random.sample(*kLevels[level].nouns, chains.size());
    Words adjectives;
    if (kLevels[level].adjectives) adjectives = random.sample(*kLevels[level].adjectives, chains.size());
    for (size_t i = 0; i < chains.size(); ++i)
      if (level < chains[i].size())
        chains[i][level] = adjectives.empty() ? nouns[i] : "the " + adjectives[i] + " " + nouns[i];
  }
  return chains;
}

void tell_chain(const Chain& chain, StoryDice& random, Words& facts) {
  for (size_t level = 0; level + 1 < chain.size(); ++level)
    facts.push_back(chain[level] + " " + (random.once_in(2) ? "is in" : kLevels[level].verb) + " " + chain[level + 1] +
                    " .");
}

// Everything that is at least two links above something.
void ask_chain(const Chain& chain, Words& questions) {
  for (size_t from = 0; from < chain.size(); ++from)
    for (size_t to = from + 2; to < chain.size(); ++to)
      questions.push_back(std::string("in which ") + kLevels[to].kind + " is " + chain[from] + " ? " + chain[from] +
                          " is in " + chain[to] + " .");
}

// `people` from the oldest to the youngest.
void tell_order(const Words& people, StoryDice& random, Words& facts, Words& questions) {
  for (size_t i = 0; i + 1 < people.size(); ++i)
    facts.push_back(random.once_in(2) ? people[i] + " is older than " + people[i + 1] + " ."
                                      : people[i + 1] + " is younger than " + people[i] + " .");
  for (size_t i = 0; i < people.size(); ++i)
    for (size_t j = i + 2; j < people.size(); ++j) {
      const bool older = random.once_in(2), swapped = random.once_in(2);
      const std::string relation = older ? "older" : "younger";
      const std::string &answer = people[older ? i : j], &other = people[older ? j : i];
      questions.push_back("who is " + relation + " , " + (swapped ? other : answer) + " or " +
                          (swapped ? answer : other) + " ? " + answer + " is " + relation + " than " + other + " .");
    }
}

size_t count_words(const std::string& sentence) {
  return 1 + static_cast<size_t>(std::count(sentence.begin(), sentence.end(), ' '));
}

// One draw, or nothing when its length is out of bounds.
std::string draw_document(StoryDice& random) {
  const auto chains = draw_chains(random);
  Words people = random.sample(kPeople, kPeople.size()), facts, questions;
  const auto take_people = [&](size_t count) {
    const Words taken(people.end() - static_cast<std::ptrdiff_t>(count), people.end());
    people.resize(people.size() - count);
    return taken;
  };
  for (const auto& chain : chains) {
    tell_chain(chain, random, facts);
    ask_chain(chain, questions);
    if (random.once_in(3)) {
      const std::string person = take_people(1).front();
      facts.push_back(person + " looks for " + chain.front() + " .");
      questions.push_back("where does " + person + " go ? " + person + " goes to " + chain.back() + " .");
    }
  }
  if (random.once_in(2)) tell_order(take_people(3 + random.below(2)), random, facts, questions);
  if (random.once_in(2)) facts.push_back(kFiller[random.below(kFiller.size())]);
  random.shuffle(facts);
  random.shuffle(questions);

  std::string document;
  size_t words = 0, asked = 0;
  const auto append = [&](const std::string& sentence) {
    document += (document.empty() ? "" : " ") + sentence;
    words += count_words(sentence);
  };
  for (const auto& fact : facts) append(fact);
  for (const auto& question : questions)
    if (words + count_words(question) <= kMaxWords) {
      append(question);
      ++asked;
    }
  if (words < kMinWords || words > kMaxWords || asked < kMinQuestions) return "";
  return document;
}

}  // namespace

void DemoTextOptions::check() const { io::check_limits(*this); }

std::string generate_demo_text(const DemoTextOptions& options) {
  options.check();
  // One step of the generator parts the streams of neighbouring seeds.
  StoryDice random(StoryDice(static_cast<uint64_t>(options.seed)).next());
  std::string text;
  for (int64_t written = 0; written < options.documents;) {
    const std::string document = draw_document(random);
    if (document.empty()) continue;
    text += document + "\n\n";
    ++written;
  }
  return text;
}

}  // namespace saobp::data
