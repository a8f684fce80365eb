// Predictions that list the options of a question: what they say of each, and which other choices follow from that.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "saobp/tasks/objective.h"

namespace saobp::tasks {

// Whether each prediction's options come with their log-likelihoods, as those of a decoder that was not trained do; by
// the first of them.
bool has_likelihoods(const std::vector<Prediction>& predictions);

// How many options `p` lists, 0 where it lists none. Error for what is not a list of objects.
int64_t options_in(const Prediction& p);

// The accuracies when the options' log-likelihoods are divided by their length, or that of the option alone is taken
// off: accuracy_characters, accuracy_bytes, accuracy_tokens, accuracy_pmi. The plain one is among the task's scores.
std::vector<std::string> normalised_accuracies();

// Which option each prediction takes by one of these; of several as good the first. Error for a number that is not
// there.
std::vector<int64_t> chosen_by(const std::string& name, const std::vector<Prediction>& predictions);

// The share of the examples whose longest or shortest option, in characters, is `gold`; of several as long the first
// counts.
double length_baseline(const std::vector<Prediction>& predictions, const std::vector<int64_t>& gold, bool longest);

}  // namespace saobp::tasks
