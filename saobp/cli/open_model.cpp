#include "saobp/cli/open_model.h"

#include <algorithm>

#include "saobp/io/words.h"
#include "saobp/train/checkpoint_model.h"

namespace saobp::cli {
namespace {

using model::Family;

void require_family(const std::filesystem::path& folder, Family expected, const std::string& verb) {
  const auto found = model::read_config(folder / "config.json").family;
  if (found == expected) return;
  if (expected == Family::bert)
    fail(folder.string(), ": is a GPT-2, which predicts the next token and has no [MASK]; ", verb,
         " takes a BERT (saobp generate continues a text)");
  fail(folder.string(), ": is a BERT, which cannot continue a text; ", verb, " takes a GPT-2");
}

}  // namespace

OpenedModel open_model(const std::filesystem::path& folder, const std::filesystem::path& tokenizer,
                       std::optional<Family> family, const std::string& verb) {
  if (!std::filesystem::is_directory(folder))
    fail(folder.string(), ": is not a folder; a run or a model folder (config.json, model.safetensors) was expected");
  const auto run = train::run_of_checkpoint(folder);
  const auto home = run.value_or(folder);  // of config.json and the tokenizer
  if (family) require_family(home, *family, verb);
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
