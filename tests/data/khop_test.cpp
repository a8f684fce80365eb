#include "saobp/data/khop.h"

#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>

#include "tests/tools.h"

namespace saobp::data {
namespace {

using tests::error_of;
using tests::TempFolder;

// Where following the facts leads, and over how many of them.
std::pair<std::string, int64_t> followed(const std::string& text, std::string thing) {
  static const std::regex fact("the (\\w+) is in the (\\w+) \\.");
  std::map<std::string, std::string> in;
  for (std::sregex_iterator at(text.begin(), text.end(), fact), end; at != end; ++at) in[(*at)[1]] = (*at)[2];
  int64_t hops = 0;
  for (; in.contains(thing); ++hops) thing = in[thing];
  return {thing, hops};
}

TEST(Khop, TheRightOptionIsWhereTheFactsLead) {
  KhopOptions options;
  options.fillers = 5, options.distance = 2;
  std::map<int64_t, int64_t> labels;
  for (int64_t n = 0; n < 400; ++n) {
    const auto example = khop_example(options, "dev", n);
    const auto text = example.at("text").get<std::string>(), question = example.at("question").get<std::string>();
    const auto [end, hops] = followed(text, question.substr(15, question.find(" end") - 15));
    const auto label = example.at("label").get<size_t>();
    EXPECT_EQ(example.at("options").at(label), end) << example.dump();
    EXPECT_EQ(example.at("hops"), hops);
    EXPECT_EQ(example.at("options").size(), 4u);
    ++labels[static_cast<int64_t>(label)];
  }
  for (const auto& [label, count] : labels) EXPECT_NEAR(static_cast<double>(count), 100, 45) << label;
}

// Where the right end is named, first to last among the ends, tells nothing.
TEST(Khop, PlacesTellNothing) {
  for (const int64_t hops : {1, 2}) {
    KhopOptions options;
    options.hops = {hops};
    std::map<int64_t, int64_t> ranks;
    for (int64_t n = 0; n < 2000; ++n) {
      const auto example = khop_example(options, "dev", n);
      const auto text = example.at("text").get<std::string>();
      const auto place = [&](size_t option) {
        return text.find(" in the " + example.at("options").at(option).get<std::string>() + " ");
      };
      const auto right = place(example.at("label").get<size_t>());
      int64_t rank = 0;
      for (size_t option = 0; option < 4; ++option) rank += place(option) < right;
      ++ranks[rank];
    }
    for (int64_t rank = 0; rank < 4; ++rank) EXPECT_NEAR(static_cast<double>(ranks[rank]), 500, 100) << rank;
  }
}

TEST(Khop, FactsStandApart) {
  KhopOptions options;
  options.hops = {3}, options.fillers = 12;
  for (int64_t n = 0; n < 100; ++n) {
    options.distance = n < 50 ? 4 : 9;  // as far as they can
    const auto example = khop_example(options, "train", n);
    const auto text = example.at("text").get<std::string>(), question = example.at("question").get<std::string>();
    auto thing = question.substr(15, question.find(" end") - 15);
    std::vector<int64_t> places;
    for (int hop = 0; hop < 3; ++hop) {
      const auto fact = text.find("the " + thing + " is in the ");
      places.push_back(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(fact), '.'));
      const auto begin = fact + thing.size() + 15;
      thing = text.substr(begin, text.find(' ', begin) - begin);
    }
    std::sort(places.begin(), places.end());
    for (size_t i = 1; i < places.size(); ++i) EXPECT_GT(places[i] - places[i - 1], options.distance);
  }
}

TEST(Khop, SplitsShareNothingAndSeedsDiffer) {
  KhopOptions options, other;
  other.seed = 2;
  std::set<std::string> texts;
  for (int64_t n = 0; n < 100; ++n)
    for (const char* split : {"train", "dev", "test"}) texts.insert(khop_example(options, split, n).at("text"));
  EXPECT_EQ(texts.size(), 300u);
  EXPECT_NE(khop_example(options, "dev", 0), khop_example(other, "dev", 0));
  EXPECT_EQ(khop_example(options, "dev", 7), khop_example(options, "dev", 7));
}

TEST(Khop, WhatCannotBeIsRefused) {
  TempFolder folder;
  const auto error = [&](auto&& change) {
    KhopOptions options;
    change(options);
    return error_of([&] { write_khop(options, folder / "x"); });
  };
  EXPECT_NE(error([](auto& o) { o.hops = {30}; }).find("need 124 things; there are 72"), std::string::npos);
  EXPECT_NE(error([](auto& o) { o.hops = {0}; }).find("--hops: 0"), std::string::npos);
  EXPECT_NE(error([](auto& o) { o.distance = 9; }).find("--fillers makes more"), std::string::npos);
}

}  // namespace
}  // namespace saobp::data
