#include "saobp/data/demo_text.h"

#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <vector>

#include "saobp/io/error.h"

namespace saobp::data {
namespace {

std::vector<std::string> documents_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> documents;
  std::string line;
  while (std::getline(in, line))
    if (!line.empty()) documents.push_back(line);
  return documents;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// What a reader of one document knows, made from its text alone.
struct Story {
  std::map<std::string, std::string> inside;     // thing → what it is in, from the facts
  std::map<std::string, std::string> looks_for;  // person → item
  std::map<std::string, std::string> younger;    // person → the next younger one
  std::vector<std::string> questions, answers, fillers;
};

Story read_story(const std::string& document) {
  static const std::regex fact("(the \\w+ \\w+) (?:is in|lies in|stands in|is part of) (the \\w+ \\w+|\\w+)");
  static const std::regex wish("(\\w+) looks for (the \\w+ \\w+)"), order("(\\w+) is (older|younger) than (\\w+)");
  Story story;
  std::string sentence;
  bool answering = false;
  for (const auto& word : words_of(document)) {
    if (word != "." && word != "?") {
      sentence += (sentence.empty() ? "" : " ") + word;
      continue;
    }
    std::smatch match;
    if (word == "?") {
      EXPECT_FALSE(answering) << document;
      story.questions.push_back(sentence);
    } else if (answering) {
      story.answers.push_back(sentence);
    } else if (!story.questions.empty()) {
      ADD_FAILURE() << "a fact after the first question: " << sentence;
    } else if (std::regex_match(sentence, match, fact)) {
      EXPECT_TRUE(story.inside.emplace(match[1], match[2]).second) << "told twice: " << sentence;
    } else if (std::regex_match(sentence, match, wish)) {
      EXPECT_TRUE(story.looks_for.emplace(match[1], match[2]).second) << "told twice: " << sentence;
    } else if (std::regex_match(sentence, match, order)) {
      const bool older = match[2] == "older";
      EXPECT_TRUE(story.younger.emplace(match[older ? 1 : 3], match[older ? 3 : 1]).second)
          << "told twice: " << sentence;
    } else {
      story.fillers.push_back(sentence);
    }
    answering = word == "?";
    sentence.clear();
  }
  EXPECT_TRUE(sentence.empty()) << "an unfinished sentence: " << sentence;
  return story;
}

// Links from one to the other along `next`, −1 when there is no way.
int links(const std::map<std::string, std::string>& next, std::string from, const std::string& to) {
  for (int count = 0; count < 10; ++count) {
    if (from == to) return count;
    const auto at = next.find(from);
    if (at == next.end()) return -1;
    from = at->second;
  }
  return -1;
}

// Kinds by their nouns, told apart by the verbs of the grammar only where they must be: the last word of each entity.
const std::map<std::string, std::set<std::string>>& nouns() {
  static const std::map<std::string, std::set<std::string>> table = {
      {"room",
       {"hall", "tower", "cellar", "kitchen", "attic", "library", "stable", "chapel", "workshop", "gallery", "pantry",
        "study"}},
      {"building",
       {"mill", "castle", "inn", "school", "farm", "abbey", "palace", "house", "fort", "lodge", "bakery", "museum"}},
      {"town",
       {"ashford", "brindle", "corven",  "dunmore", "elmsby", "fairwick", "galden", "harrow",  "ilden",  "jarrow",
        "kelby",   "lorne",   "marston", "norwell", "osmere", "penrith",  "quill",  "redmoor", "stanby", "thorpe"}}};
  return table;
}

// Checks one answer against the facts and returns the number of facts that it takes.
int facts_needed(const Story& story, const std::string& question, const std::string& answer) {
  static const std::regex where("in which (\\w+) is (the \\w+ \\w+)"),
      place("(the \\w+ \\w+) is in (the \\w+ \\w+|\\w+)");
  static const std::regex wish("where does (\\w+) go"), goes("(\\w+) goes to (the \\w+ \\w+|\\w+)");
  static const std::regex who("who is (older|younger) , (\\w+) or (\\w+)"),
      order("(\\w+) is (older|younger) than (\\w+)");
  std::smatch asked, told;
  if (std::regex_match(question, asked, where)) {
    EXPECT_TRUE(std::regex_match(answer, told, place)) << answer;
    EXPECT_EQ(asked[2], told[1]);
    EXPECT_TRUE(nouns().at(asked[1]).count(words_of(told[2]).back())) << question << " / " << answer;
    return links(story.inside, told[1], told[2]);
  }
  if (std::regex_match(question, asked, wish)) {
    EXPECT_TRUE(std::regex_match(answer, told, goes)) << answer;
    EXPECT_EQ(asked[1], told[1]);
    EXPECT_EQ(story.inside.count(told[2]), 0u) << "not the end of the chain: " << answer;
    const auto item = story.looks_for.find(told[1]);
    if (item == story.looks_for.end()) return -1;
    const int way = links(story.inside, item->second, told[2]);
    return way < 0 ? -1 : way + 1;
  }
  EXPECT_TRUE(std::regex_match(question, asked, who)) << question;
  EXPECT_TRUE(std::regex_match(answer, told, order)) << answer;
  EXPECT_EQ(asked[1], told[2]);
  EXPECT_EQ((std::set<std::string>{asked[2], asked[3]}), (std::set<std::string>{told[1], told[3]}));
  const bool older = told[2] == "older";
  return links(story.younger, told[older ? 1 : 3], told[older ? 3 : 1]);
}

TEST(DemoText, AnswersFollowFromSeveralFacts) {
  std::map<int, int> by_facts;
  std::map<std::string, int> by_kind;
  for (const auto& document : documents_of(generate_demo_text({.seed = 5, .documents = 2000}))) {
    const Story story = read_story(document);
    ASSERT_GE(story.questions.size(), 1u);
    ASSERT_EQ(story.questions.size(), story.answers.size());
    EXPECT_LE(story.fillers.size(), 1u) << document;
    std::set<std::string> different(story.questions.begin(), story.questions.end());
    EXPECT_EQ(different.size(), story.questions.size()) << document;
    for (size_t i = 0; i < story.questions.size(); ++i) {
      const int needed = facts_needed(story, story.questions[i], story.answers[i]);
      ASSERT_GE(needed, 2) << story.answers[i] << "\n" << document;
      ++by_facts[needed];
      ++by_kind[words_of(story.questions[i]).front()];
    }
  }
  // Two to four links, and a wish before four links, which leaves room for little else: all occur.
  for (const int facts : {2, 3, 4}) EXPECT_GT(by_facts[facts], 100) << facts << " facts";
  EXPECT_GT(by_facts[5], 30);
  EXPECT_EQ(by_facts.size(), 4u);
  for (const char* kind : {"in", "where", "who"}) EXPECT_GT(by_kind[kind], 300) << kind;
}

TEST(DemoText, NoWordServesInTwoEntitiesOfADocument) {
  for (const auto& document : documents_of(generate_demo_text({.seed = 6, .documents = 500}))) {
    const Story story = read_story(document);
    std::set<std::string> entities;
    for (const auto& [thing, place] : story.inside) entities.insert({thing, place});
    std::map<std::string, int> uses;
    for (const auto& entity : entities)
      for (const auto& word : words_of(entity))
        if (word != "the") ++uses[word];
    for (const auto& [word, count] : uses) EXPECT_EQ(count, 1) << word << " in " << document;
    // One or two chains: as many things that nothing contains.
    std::set<std::string> tops;
    for (const auto& [thing, place] : story.inside)
      if (!story.inside.count(place)) tops.insert(place);
    EXPECT_GE(tops.size(), 1u);
    EXPECT_LE(tops.size(), 2u);
  }
}

TEST(DemoText, LayoutAndSizes) {
  const std::string text = generate_demo_text({.seed = 1, .documents = 6000});
  EXPECT_GT(text.size(), 1'200'000u);
  EXPECT_LT(text.size(), 2'400'000u);
  EXPECT_EQ(text.substr(text.size() - 3), ".\n\n");
  for (const char c : text)
    ASSERT_TRUE((c >= 'a' && c <= 'z') || c == ' ' || c == '\n' || c == '.' || c == '?' || c == ',');
  EXPECT_EQ(text.find("\n\n\n"), std::string::npos);
  EXPECT_EQ(text.find("  "), std::string::npos);
  const auto documents = documents_of(text);
  ASSERT_EQ(documents.size(), 6000u);
  std::set<std::string> vocabulary;
  for (const auto& document : documents) {
    const auto words = words_of(document);
    ASSERT_GE(words.size(), 36u);
    ASSERT_LE(words.size(), 62u);
    vocabulary.insert(words.begin(), words.end());
  }
  EXPECT_GT(vocabulary.size(), 150u);
  EXPECT_LT(vocabulary.size(), 300u);
  EXPECT_EQ(std::set<std::string>(documents.begin(), documents.end()).size(), 6000u) << "documents repeat";
}

// FNV-1a, to hold the bytes against those of other platforms.
uint64_t fingerprint(const std::string& text) {
  uint64_t hash = 0xCBF29CE484222325ULL;
  for (const unsigned char c : text) hash = (hash ^ c) * 0x100000001B3ULL;
  return hash;
}

TEST(DemoText, IsTheSameEverywhere) {
  EXPECT_EQ(generate_demo_text({.seed = 9, .documents = 50}), generate_demo_text({.seed = 9, .documents = 50}));
  EXPECT_EQ(fingerprint(generate_demo_text({.seed = 1, .documents = 100})), 0x9830354B037CBB69ULL);
}

TEST(DemoText, FewerDocumentsAreAPrefix) {
  const std::string few = generate_demo_text({.seed = 3, .documents = 10});
  EXPECT_EQ(generate_demo_text({.seed = 3, .documents = 20}).substr(0, few.size()), few);
}

TEST(DemoText, SeedsShareNoDocument) {
  std::set<std::string> seen;
  for (const int64_t seed : {0, 1, 2, 3})
    for (const auto& document : documents_of(generate_demo_text({.seed = seed, .documents = 1000})))
      EXPECT_TRUE(seen.insert(document).second) << document;
}

TEST(DemoText, OptionsAreValidated) {
  EXPECT_THROW(generate_demo_text({.seed = -1, .documents = 1}), UsageError);
  EXPECT_THROW(generate_demo_text({.seed = 1, .documents = 0}), UsageError);
  EXPECT_THROW(generate_demo_text({.seed = 1, .documents = 10'000'001}), UsageError);
}

}  // namespace
}  // namespace saobp::data
