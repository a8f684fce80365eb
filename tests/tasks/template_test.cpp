#include "saobp/tasks/template.h"

#include <gtest/gtest.h>

#include "tests/tools.h"

namespace saobp::tasks {
namespace {

using tests::error_of;

const data::Record kRecord{"x",
                           {{"a", " tom LOOKS "}, {"b", "is _ here"}, {"c", "ǆ É"}, {"d", "x [title] y [step] z  w"}}};

std::string filled(std::string_view text, std::string_view option = {}) {
  return Template(text, "t").fill(kRecord, option);
}

TEST(Template, FieldsFiltersAndBraces) {
  EXPECT_EQ(filled("<{a}> {{x"), "< tom LOOKS > {x");
  EXPECT_EQ(filled("{a|strip|capitalize}"), "Tom looks");
  EXPECT_EQ(filled("{c|capitalize}"), "ǅ é") << "as Python's";
  EXPECT_EQ(filled("{none/b}"), "is _ here");
  EXPECT_EQ(filled("{a|strip|before: }"), "tom");
  EXPECT_EQ(filled("{d|wikihow}"), "x. y z w");
  EXPECT_EQ(filled("{b|fill}", "he"), "is he here");
  EXPECT_EQ(filled("{a|strip|fill}", "he"), "tom LOOKS he");
  EXPECT_EQ(filled("{option}!", "he"), "he!");
  EXPECT_EQ(filled("{z?}x{b?}"), "xis _ here");
  EXPECT_EQ(Template("{a} {option} {b|strip}", "t").fields(), (std::vector<std::string>{"a", "b"}));
}

TEST(Template, SlipsAreNamed) {
  EXPECT_EQ(error_of([] { filled("{a"); }), "t: \"{a\": a brace is opened and not closed");
  EXPECT_EQ(error_of([] { filled("{|strip}"); }), "t: \"{|strip}\": a field without a name");
  EXPECT_NE(error_of([] { filled("{a|trim}"); }).find("\"trim\" is no filter; strip"), std::string::npos);
  EXPECT_EQ(error_of([] { filled("{z}"); }), "x: has no \"z\"; found a, b, c and d");
}

}  // namespace
}  // namespace saobp::tasks
