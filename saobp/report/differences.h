// What must be the same for figures of runs to be compared: tokenizer, corpus, and text to validate on.
#pragma once

#include <string>
#include <vector>

#include "saobp/report/run.h"

namespace saobp::report {

// A plain sentence for each thing in which the runs differ.
std::vector<std::string> differences(const std::vector<RunInput>& runs);

}  // namespace saobp::report
