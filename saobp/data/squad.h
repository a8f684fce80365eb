// SQuAD's official JSON, versions 1.1 and 2.0.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace saobp::data {

struct Answer {
  std::string text;
  int64_t start = 0;  // in code points of the context
};

struct Question {
  std::string id, question;
  std::shared_ptr<const std::string> context;
  std::vector<Answer> answers;  // none where it cannot be answered
  bool impossible = false;
  bool aligned = true;  // the first answer stands in the context where it says
};

struct Squad {
  std::vector<Question> questions;
  bool may_be_impossible = false;  // version 2.0
  std::string key;                 // of the file's bytes
};

// Error naming the question for what is missing or of another type, an id that is there twice, and a question that is
// neither answered nor impossible; `labelled` false: a test set has no answers.
Squad read_squad(const std::filesystem::path& path, bool labelled = true);

}  // namespace saobp::data
