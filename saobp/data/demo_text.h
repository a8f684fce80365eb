// The demo's corpus: short made-up documents in which a masked word often follows only from a chain of earlier facts.
//
// Every document is one line of 60 to 110 words and punctuation marks (ASCII, lower case, marks set apart by blanks),
// followed by an empty line. So the same text is a corpus for pretraining (documents end at empty lines) and a text for
// analysis (one sequence a line).
//
// Grammar. A document tells of two or three CHAINS and of one ORDER, in shuffled order, then asks and answers.
//
//   chain    item → vessel → room → building → town, its length (2 to 4 links) drawn for each
//   fact     "the red key is in the oak box ."            item in vessel     (or: lies in)
//            "the oak box is in the north hall ."         vessel in room     (or: stands in)
//            "the north hall is in the old mill ."        room in building   (or: belongs to)
//            "the old mill is in ashford ."               building in town   (or: stands near)
//   wish     "mira looks for the red key ."               a person a chain
//   order    "tom is older than finn ."                   neighbours of a hidden order of three or four people
//   filler   "rain fell on the hills ."                   says nothing about the rest
//   question "where is the red key ? the red key is in the north hall ."   a node 2 to 4 links up the chain
//            "where does mira go ? mira goes to ashford ."                 the wish, then all links of the chain
//            "who is older , tom or ivo ? tom is older than ivo ."         2 or 3 steps of the order
//
// Within a document no word of an entity serves twice, so each chain has one reading, and the chains that a question
// does not ask for are its distractors. A question is asked only if its answer takes at least two facts.
#pragma once

#include <cstdint>
#include <string>

#include "saobp/io/fields.h"

namespace saobp::data {

struct DemoTextOptions {
  int64_t seed = 1;          // ≥ 0; texts of different seeds are independent draws
  int64_t documents = 6000;  // about 480 bytes each: 3 MB

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("seed", self.seed, "seed of the made-up text, not negative");
    visit("documents", self.documents, "number of documents, about 480 bytes each");
  }

  // Throws UsageError that names the field, its value and its range.
  void validate() const;
};

// The same options give the same bytes on every platform: integer arithmetic only, no library distributions.
std::string generate_demo_text(const DemoTextOptions& options);

}  // namespace saobp::data
