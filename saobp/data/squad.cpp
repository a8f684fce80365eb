#include "saobp/data/squad.h"

#include <unordered_set>

#include "saobp/data/records.h"
#include "saobp/io/file.h"
#include "saobp/io/hash.h"
#include "saobp/io/json.h"
#include "saobp/io/words.h"

namespace saobp::data {
namespace {

using io::Json;

// Whether the text stands in the context from that code point on.
bool stands_there(const std::string& context, const Answer& answer) {
  size_t at = 0;
  for (int64_t n = 0; n < answer.start; ++n) {
    if (at >= context.size()) return false;
    at += io::utf8_sequence(std::string_view(context).substr(at));
  }
  return !answer.text.empty() && context.compare(at, answer.text.size(), answer.text) == 0;
}

}  // namespace

Squad read_squad(const std::filesystem::path& path, bool labelled) {
  const auto source = path.string();
  const auto text = read_text(path);
  io::Hash64 hash;
  hash.add(std::string_view(text));
  Squad squad;
  squad.key = io::hexadecimal(hash.value());
  const auto json = io::parse_json(text, source);
  std::unordered_set<std::string> ids;
  for (const auto& article : io::require<std::vector<Json>>(json, "data", source))
    for (const auto& paragraph : io::require<std::vector<Json>>(article, "paragraphs", source)) {
      const auto context = std::make_shared<const std::string>(io::require<std::string>(paragraph, "context", source));
      for (const auto& qa : io::require<std::vector<Json>>(paragraph, "qas", source)) {
        Question question;
        question.id = io::require<std::string>(qa, "id", source);
        const auto where = concat(source, ", question ", question.id);
        if (!ids.insert(question.id).second) fail(where, ": this id is there twice");
        question.question = io::require<std::string>(qa, "question", where);
        question.context = context;
        squad.may_be_impossible |= qa.contains("is_impossible");
        question.impossible = io::get_or<bool>(qa, "is_impossible", false, where);
        if (labelled && !question.impossible)
          for (const auto& answer : io::require<std::vector<Json>>(qa, "answers", where)) {
            question.answers.push_back(
                {io::require<std::string>(answer, "text", where), io::require<int64_t>(answer, "answer_start", where)});
            if (question.answers.back().start < 0) fail(where, ": \"answer_start\" is negative");
          }
        if (labelled && !question.impossible && question.answers.empty())
          fail(where, ": has no answer, and \"is_impossible\" is not true");
        question.aligned = question.answers.empty() || stands_there(*context, question.answers[0]);
        squad.questions.push_back(std::move(question));
      }
    }
  if (squad.questions.empty()) fail(source, ": holds no questions");
  return squad;
}

}  // namespace saobp::data
