#include "saobp/cli/open_model.h"

namespace saobp::cli {

OpenedModel open_model(const std::filesystem::path& folder, const std::filesystem::path& tokenizer) {
  if (!std::filesystem::is_directory(folder))
    fail(folder.string(), ": is not a folder; a run or a model folder (config.json, model.safetensors) was expected");
  OpenedModel opened;
  opened.model = model::load_bert(folder).model;
  const auto place = tokenizer.empty() ? folder : tokenizer;
  opened.tokenizer = text::load_tokenizer(place);
  const auto& special = opened.tokenizer->special();
  if (!special.cls || !special.sep) fail(place.string(), ": the vocabulary has no [CLS] or no [SEP]");
  if (opened.tokenizer->vocab_size() > opened.model->config.vocab_size)
    fail(place.string(), ": the tokenizer has ", opened.tokenizer->vocab_size(), " tokens, the model in ",
         folder.string(), " knows ", opened.model->config.vocab_size);
  return opened;
}

std::vector<int64_t> OpenedModel::encode(std::string_view text, int64_t length) const {
  std::vector<int32_t> ids = tokenizer->encode(text);
  ids.resize(std::min(ids.size(), static_cast<size_t>(length - 2)));
  std::vector<int64_t> row = {*tokenizer->special().cls};
  row.insert(row.end(), ids.begin(), ids.end());
  row.push_back(*tokenizer->special().sep);
  return row;
}

}  // namespace saobp::cli
