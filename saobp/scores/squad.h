// SQuAD's official scores (evaluate-v1.1.py, evaluate-v2.0.py): answers as bags of words.
#pragma once

#include <string>
#include <vector>

namespace saobp::scores {

// Lower case, without ASCII punctuation, without the words a, an and the, words joined by one space.
std::string normalised_answer(const std::string& text);

// Of a prediction against one answer.
double answer_f1(const std::string& gold, const std::string& predicted);

struct AnswerScore {
  double exact = 0, f1 = 0;
};
// The best over the answers; of a question that cannot be answered (no answers): 1 for "" alone. Answers that are
// nothing once normalised are left out while others are there, as version 2.0 does (`drop_empty`).
AnswerScore answer_score(const std::vector<std::string>& golds, const std::string& predicted, bool drop_empty);

// The best score that a threshold on "no answer" could give, and that threshold: find_best_thresh of evaluate-v2.0.py.
struct BestThreshold {
  double score = 0, threshold = 0;
};
struct Answered {
  double score = 0;        // of the answer, as if it were given
  double no_answer = 0;    // how much speaks for none
  bool has_answer = true;  // gold
  bool is_empty = false;   // the prediction without a threshold is ""
};
BestThreshold best_threshold(const std::vector<Answered>& questions);

}  // namespace saobp::scores
