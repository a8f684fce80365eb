// How measures of attention go with something else, over heads, sequences or checkpoints: with another measure, with
// what a head's ablation costs, with right and wrong answers, with numbers from a file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::recipes {

// Numbers of a file of JSON lines under their names, by "id" (of sequences) or "step" (of checkpoints); true and false
// count as 1 and 0. Lines without the key, and values that are no numbers, are passed over; of a number that is given
// again the later counts. Error naming the line that is no JSON object, UsageError where no line has the key.
struct KeyedNumbers {
  // NaN where there is none.
  double at(const std::string& key, const std::string& name) const;

  std::vector<std::string> names;
  std::map<std::string, std::map<std::string, double>> by_key;  // of a key: its numbers by name
  int64_t lines = 0, passed_over = 0, again = 0;                // of which without the key; numbers given once more
  int64_t unreadable = 0;
};
// An id or a step as it is in by_key: text as it is, a number as JSON writes it.
std::string key_text(const io::Json& key);
// The key of a sequence's line: its id, or where the scores do not have that the id of its example.
std::string key_of(const io::Json& line, const KeyedNumbers& scores);
// Of a run's `log` a line may be damaged, as a killed run leaves its last one, and there may be none.
KeyedNumbers read_keyed_numbers(const std::filesystem::path& path, const std::string& key, bool log = false);

// What a record holds as "correlations", a list of
//   {"over": "heads" | "sequences", "with": NAME, "measures": {MEASURE: {"pearson": {"r", "low", "high", "p",
//    "corrected_p"}, "spearman": {…}, "n"}}, "tests"}
// of B's measures: over heads their means over sequences, over sequences their means over heads and layers. p is
// corrected, by correct_p, for all "tests" of all lists. `with` is a measure, "importance" (over heads: the
// loss that a head's mean row costs, or how far states move), a group of the lines with two values, such as "answer"
// (over sequences: 1 for right, or the later in the alphabet), "tokens", or one of `scores`, by the sequences' ids.
// UsageError where there is nothing of that name.
io::Json correlations_with(const std::string& with, const io::Json& record, const std::vector<io::Json>& lines,
                           const KeyedNumbers& scores);

// Puts "corrected_p" (Benjamini & Hochberg) into the tests of all these lists, which were asked for together, and how
// many there are of each kind into each list as "tests".
void correct_p(io::Json& lists);

// UsageError, before the work, for a name that cannot be known.
void check_correlated(const std::string& with, const std::vector<std::string>& measures, const KeyedNumbers& scores);

// Over checkpoints: of each record of `records` its "step", and each of `scores` by step; a list as above, one entry a
// score of which three checkpoints have a number.
io::Json correlations_over_checkpoints(const std::vector<io::Json>& records, const std::vector<int64_t>& steps,
                                       const KeyedNumbers& scores);

}  // namespace saobp::recipes
