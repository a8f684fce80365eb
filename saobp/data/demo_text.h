// The demo's corpus: short made-up documents in which a masked word often follows only from a chain of earlier facts.
//
// Every document is one line of 36 to 62 words and punctuation marks (ASCII, lower case, all set apart by one blank),
// followed by an empty line. So the same text is a corpus for pretraining (documents end at empty lines) and a text for
// analysis (one sequence a line), and a document with its two special tokens fits 64 positions if no word is split.
//
// Grammar. A document states the facts of one or two chains, and sometimes wishes and an order of age, all shuffled;
// then it asks at least one question and answers it.
//
//   chain     item → vessel → room → building → town, its length (2 to 4 links) drawn for each chain
//   facts     "the red key lies in the oak box ."           item in vessel     (lies in | is in)
//             "the oak box stands in the north hall ."      vessel in room     (stands in | is in)
//             "the north hall is part of the old mill ."    room in building   (is part of | is in)
//             "the old mill stands in ashford ."            building in town   (stands in | is in)
//   wish      "mira looks for the red key ."                a person and the item of a chain
//   order     "tom is older than finn ."                    neighbours among three or four people,
//             "ivo is younger than finn ."                  told from either side
//   filler    "rain fell on the hills ."                    says nothing about the rest
//   questions "in which room is the red key ? the red key is in the north hall ."     2 to 4 links of a chain
//             "where does mira go ? mira goes to ashford ."                           a wish and all links of its chain
//             "who is older , ivo or tom ? tom is older than ivo ."                   2 or 3 steps of the order
//
// Within a document no word serves in two entities, so each fact has one reading; the chains that a question does not
// ask for are its distractors. Every answer takes at least two facts, none of which says it. A document that comes out
// too short or too long is drawn again.
#pragma once

#include <cstdint>
#include <string>

#include "saobp/io/fields.h"

namespace saobp::data {

struct DemoTextOptions {
  int64_t seed = 1;           // ≥ 0; each seed is a sequence of its own
  int64_t documents = 10000;  // 1 … 10,000,000; about 270 bytes each

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("seed", self.seed, "seed of the made-up text", io::at_least(0));
    visit("documents", self.documents, "documents of made-up text, about 270 bytes each", io::between(1, 1e7));
  }

  // Throws UsageError that names the field, its value and its range.
  void check() const;
};

// The same options give the same bytes on every platform: 64-bit integer arithmetic only, none of the standard
// library's distributions. Fewer documents of the same seed are a prefix of more.
std::string generate_demo_text(const DemoTextOptions& options);

}  // namespace saobp::data
