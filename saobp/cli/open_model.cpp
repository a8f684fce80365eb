#include "saobp/cli/open_model.h"

#include <algorithm>

#include "saobp/io/words.h"
#include "saobp/train/checkpoint_model.h"

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
  if (!std::filesystem::is_directory(folder))
    fail(folder.string(), ": is not a folder; a run or a model folder (config.json, model.safetensors) was expected");
  const auto run = train::run_of_checkpoint(folder);
  const auto home = run.value_or(folder);  // of config.json and the tokenizer
  if (causal) require_kind(home, *causal, verb);
  OpenedModel opened;
  opened.model = run ? train::load_checkpoint_model(folder, *run) : model::load_model(folder).model;
  const auto place = tokenizer.empty() ? home : tokenizer;
  opened.tokenizer = text::load_tokenizer(place);
  const auto& special = opened.tokenizer->special();
  if (!opened.model->config.causal() && (!special.cls || !special.sep))
    fail(place.string(), ": the vocabulary has no [CLS] or no [SEP]");
  if (opened.tokenizer->vocab_size() > opened.model->config.vocab_size)
    fail(place.string(), ": the tokenizer has ", io::counted(opened.tokenizer->vocab_size(), "token"),
         ", the model in ", folder.string(), " knows ", opened.model->config.vocab_size);
  return opened;
}

std::vector<int64_t> OpenedModel::encode(std::string_view text, int64_t length, bool* cut) const {
  const std::vector<int32_t> ids = tokenizer->encode(text);
  if (cut != nullptr) *cut = static_cast<int64_t>(ids.size()) > (model->config.causal() ? length : length - 2);
  const auto first = [&](int64_t count) { return ids.begin() + std::min(static_cast<int64_t>(ids.size()), count); };
  if (model->config.causal()) return {ids.begin(), first(length)};
  std::vector<int64_t> row = {*tokenizer->special().cls};
  row.insert(row.end(), ids.begin(), first(length - 2));
  row.push_back(*tokenizer->special().sep);
  return row;
}

}  // namespace saobp::cli
