// A task's file after one byte that says what it is: TSV with or without a header, JSON records, RACE's passage, SQuAD.
#include "saobp/data/records.h"
#include "saobp/data/squad.h"
#include "saobp/scores/squad.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace saobp;

void check(const data::Records& records) {
  fuzz::require(!records.rows.empty(), "a file that is read has rows");
  for (const auto& row : records.rows) {
    fuzz::require(!row.where.empty(), "a row has a place");
    for (const auto& [name, text] : row.fields) io::require_utf8(text, name);
  }
}

void check(const data::Squad& squad) {
  for (const auto& question : squad.questions) {
    fuzz::require(question.context != nullptr, "a question has a context");
    if (question.aligned && !question.answers.empty())
      fuzz::require(question.context->find(question.answers[0].text) != std::string::npos, "an answer stands there");
    const auto once = scores::normalised_answer(question.question);
    fuzz::require(scores::normalised_answer(once) == once, "an answer is normalised once and for all");
    fuzz::require(scores::answer_f1(once, question.question) == 1, "a text is its own answer");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const fuzz::Folder folder;
  const auto content = fuzz::whole(data + 1, size - 1);
  fuzz::attempt([&] {
    switch (data[0] % 5) {
      case 0:
        return check(data::read_tsv(folder.write("a.tsv", content), {}, {"label"}));
      case 1:
        return check(data::read_tsv(folder.write("a.tsv", content), {"a", "label", "b"}, {"label"}));
      case 2:
        return check(data::read_json_records(folder.write("a.jsonl", content)));
      case 3:
        folder.write("race/1.txt", content);
        return check(data::read_race(folder / "race"));
      default:
        return check(data::read_squad(folder.write("a.json", content)));
    }
  });
  return 0;
}
