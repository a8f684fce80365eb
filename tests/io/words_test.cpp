#include "saobp/io/words.h"

#include <gtest/gtest.h>

#include <cmath>

#include "saobp/io/fields.h"

namespace saobp::io {
namespace {

TEST(Words, Counts) {
  EXPECT_EQ(counted(0, "file"), "0 files");
  EXPECT_EQ(counted(1, "file"), "1 file");
  EXPECT_EQ(counted(2u, "story", "stories"), "2 stories");
  EXPECT_EQ(counted(1234567, "row"), "1,234,567 rows");
  EXPECT_EQ(grouped(-123456), "-123,456");
  EXPECT_EQ(grouped(999), "999");
}

TEST(Words, Quantities) {
  EXPECT_EQ(in_short(0.0480012), "0.048");
  EXPECT_EQ(in_short(12.34), "12.3");
  EXPECT_EQ(in_short(1234.5), "1234");
  EXPECT_EQ(in_short(2), "2");
  EXPECT_EQ(in_short(0), "0");
  EXPECT_EQ(in_short(0.2), "0.2");
  EXPECT_EQ(size_in_words(6), "6 bytes");
  EXPECT_EQ(size_in_words(1), "1 byte");
  EXPECT_EQ(size_in_words(1234), "1.23 kB");
  EXPECT_EQ(size_in_words(2.706e6), "2.71 MB");
  EXPECT_EQ(size_in_words(999'999), "1 MB");
  EXPECT_EQ(size_in_words(1.6e12), "1.6 TB");
  EXPECT_EQ(time_in_words(0.0480012), "0.048 s");
  EXPECT_EQ(time_in_words(59.96), "1 min 00 s");
  EXPECT_EQ(time_in_words(125), "2 min 05 s");
  EXPECT_EQ(time_in_words(7265), "2 h 01 min");
}

TEST(Words, Lists) {
  EXPECT_EQ(listed({}), "");
  EXPECT_EQ(listed({"a"}), "a");
  EXPECT_EQ(listed({"a", "b"}), "a or b");
  EXPECT_EQ(listed({"a", "b", "c"}, "and"), "a, b and c");
}

TEST(Words, TheWordThatWasMeant) {
  const std::vector<std::string> flags = {"--steps", "--strength", "--strengths", "--seed"};
  EXPECT_EQ(nearest("--stpes", flags), "--steps");  // two letters in the wrong order are one slip
  EXPECT_EQ(nearest("--step", flags), "--steps");
  EXPECT_EQ(nearest("--strenght", flags), "--strength");
  EXPECT_EQ(nearest("--steps", flags), "--steps");
  EXPECT_EQ(nearest("--colour-scheme", flags), "");
  EXPECT_EQ(nearest("", flags), "");
  EXPECT_EQ(nearest(std::string(10000, 'x'), flags), "");
  EXPECT_EQ(suggestion("--sede", flags), "; did you mean --seed?");
}

struct Numbers {
  int64_t hops = 4;
  double share = 0.5;
  std::optional<int64_t> vocab_size;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("hops", self.hops, "", between(2, 64));
    visit("share", self.share, "", above(0, 1));
    visit("vocab_size", self.vocab_size, "", at_least(1));
  }
};

std::string error_of(const auto& work) {
  try {
    work();
  } catch (const UsageError& error) {
    return concat("usage: ", error.what());
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Limits, HelpAndMessagesAreOfOnePlace) {
  EXPECT_EQ(between(1, 1e6).text(), "1 to 1,000,000");
  EXPECT_EQ(at_least(0).text(), "at least 0");
  EXPECT_EQ(above(0, 1).text(), "above 0, at most 1");
  EXPECT_EQ(Limits{}.text(), "");
  EXPECT_EQ(between(1, 1024).complaint(1024), "");
  EXPECT_EQ(between(0, 1e6).complaint(-1), "-1 was given; a number from 0 to 1000000 was expected");
  EXPECT_EQ(at_least(1).complaint(0), "0 was given; at least 1 was expected");
  EXPECT_EQ(Limits{}.complaint(std::nan("")), "nan was given; a finite number was expected");
  EXPECT_EQ(at_least(0).complaint(INFINITY), "inf was given; at least 0 was expected");

  const auto of = [](Numbers numbers) { return error_of([&] { check_limits(numbers); }); };
  EXPECT_EQ(of({}), "no error");
  EXPECT_EQ(of({.hops = 1}), "usage: --hops: 1 was given; a number from 2 to 64 was expected");
  EXPECT_EQ(of({.share = 0}), "usage: --share: 0 was given; above 0 and at most 1 was expected");
  EXPECT_EQ(of({.vocab_size = 0}), "usage: --vocab-size: 0 was given; at least 1 was expected");
}

// What comes from a file is not blamed on a flag.
TEST(Limits, AFileIsNamedWithItsKey) {
  const auto of = [](const Json& json) {
    Numbers numbers;
    return error_of([&] { update_fields(numbers, json, "s.json: part"); });
  };
  EXPECT_EQ(of({{"hops", 65}}), "s.json: part: \"hops\": 65 was given; a number from 2 to 64 was expected");
  EXPECT_EQ(of({{"vocab_size", nullptr}}), "no error");
  EXPECT_EQ(of({{"hop", 3}}), "s.json: part: \"hop\" is no setting; did you mean hops?");
}

}  // namespace
}  // namespace saobp::io
