#include "saobp/cli/open_model.h"

#include "saobp/cli/console.h"
#include "saobp/pretrained/rows.h"
#include "saobp/recipes/checkpoint_model.h"

namespace saobp::cli {
namespace {

void require_kind(const std::filesystem::path& folder, bool causal, const std::string& verb) {
  const auto config = model::read_config(folder / "config.json");
  if (config.causal() == causal) return;
  const std::string title = config.family->title;
  if (causal)
    fail(folder.string(), ": is a ", title, ", which cannot continue a text; ", verb,
         " takes a decoder such as a GPT-2");
  fail(folder.string(), ": is a ", title, ", which predicts the next token and has no [MASK]; ", verb,
       " takes an encoder such as a BERT (saobp generate continues a text)");
}

}  // namespace

OpenedModel open_model(const std::filesystem::path& folder, const std::filesystem::path& tokenizer,
                       std::optional<bool> causal, const std::string& verb) {
  const auto run = recipes::run_of_checkpoint(folder);
  const auto home = run.value_or(folder);  // of config.json and the tokenizer
  if (causal && std::filesystem::is_directory(home)) require_kind(home, *causal, verb);
  if (!run) {
    OpenedModel opened{pretrained::open(folder, tokenizer)};
    for (const auto& note : opened.notes) Console::complain(note);
    return opened;
  }
  const auto place = tokenizer.empty() ? home : tokenizer;
  OpenedModel opened{{recipes::load_checkpoint_model(folder, *run), text::load_tokenizer(place), {}, {}, {}}};
  pretrained::require_match(opened.model->config, *opened.tokenizer, place, folder);
  return opened;
}

std::vector<int64_t> OpenedModel::encode(std::string_view text, int64_t length) const {
  return pretrained::ids_of(pretrained::encode(model->config, *tokenizer, text, {}, {.max_length = length})[0]);
}

}  // namespace saobp::cli
