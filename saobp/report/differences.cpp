#include "saobp/report/differences.h"

#include <optional>
#include <set>

namespace saobp::report {
namespace {

using io::Json;

const Json* at(const Json& json, const std::vector<std::string>& path) {
  const Json* value = &json;
  for (const auto& key : path) {
    if (!value->is_object() || !value->contains(key) || value->at(key).is_null()) return nullptr;
    value = &value->at(key);
  }
  return value;
}

std::string text_of(const Json& record, const std::vector<std::vector<std::string>>& paths) {
  std::string text;
  for (const auto& path : paths) {
    const Json* value = at(record, path);
    text += value ? value->dump(-1, ' ', false, Json::error_handler_t::replace) + ";" : "-;";
  }
  return text;
}

// One thing that runs read: the key that run.json has of its contents, and the options that say the same where a run
// is older than its key.
struct Thing {
  const char* key;
  std::vector<std::vector<std::string>> options;
  std::vector<std::vector<std::string>> more;  // options that change it whatever the text is
  const char* differ;
};

const std::vector<Thing>& things() {
  static const std::vector<Thing> all = {
      {"tokenizer",
       {{"options", "model", "tokenizer"}},
       {},
       "The runs have different tokenizers. Their losses and perplexities count other tokens, and must not be "
       "compared."},
      {"corpus",
       {{"options", "corpus", "corpus"}},
       {},
       "The runs were trained on different texts, so that a difference between them may be the texts' doing."},
      {"validation",
       {{"options", "train", "validation"}},
       {{"options", "corpus", "holdout"},
        {"options", "corpus", "holdout_seed"},
        {"options", "train", "validation_rows"},
        {"options", "train", "length"},
        {"options", "masking", "mask_probability"},
        {"options", "masking", "mask_share"},
        {"options", "masking", "random_share"}},
       "The runs were validated on different rows (another text or share of it, another length of rows, or other "
       "masks). Their validation losses must not be compared."}};
  return all;
}

bool differs(const std::vector<RunInput>& runs, const Thing& thing) {
  std::set<std::string> keys, options, more;
  bool all_recorded = true;
  for (const auto& run : runs) {
    if (!run.record.is_object() || !run.trains()) continue;  // said among the remarks, or not trained here
    const Json* key = at(run.record, {"keys", thing.key});
    all_recorded = all_recorded && key != nullptr;
    if (key) keys.insert(key->dump());
    options.insert(text_of(run.record, thing.options));
    more.insert(text_of(run.record, thing.more));
  }
  // A text that was copied elsewhere is still the same text.
  return (all_recorded ? keys.size() > 1 : options.size() > 1 || keys.size() > 1) || more.size() > 1;
}

}  // namespace

std::vector<std::string> differences(const std::vector<RunInput>& runs) {
  std::vector<std::string> sentences;
  for (const auto& thing : things())
    if (differs(runs, thing)) sentences.emplace_back(thing.differ);
  return sentences;
}

}  // namespace saobp::report
