#include "saobp/pretrained/model_folder.h"

#include <algorithm>

#include "saobp/io/words.h"
#include "saobp/text/post_processor.h"

namespace saobp::pretrained {

namespace fs = std::filesystem;

Pretrained open(const fs::path& folder, const fs::path& tokenizer, const model::LoadOptions& options) {
  if (!fs::is_directory(folder))
    fail(folder.string(), ": is not a folder; a run or a model folder (config.json, model.safetensors) was expected");
  if (!fs::exists(folder / "config.json"))
    fail(folder.string(),
         ": has no config.json; a run or a model folder (config.json, model.safetensors) was expected");
  auto loaded = model::load_model(folder, options);
  const auto place = tokenizer.empty() ? folder : tokenizer;
  Pretrained opened{std::move(loaded.model), text::load_tokenizer(place), std::move(loaded.notes),
                    std::move(loaded.unused), std::move(loaded.drawn)};
  require_match(opened.model->config, *opened.tokenizer, place, folder);
  return opened;
}

void require_match(const model::ModelConfig& config, const text::Tokenizer& tokenizer, const fs::path& place,
                   const fs::path& folder) {
  const auto& special = tokenizer.special();
  if (!config.causal() && (!special.cls || !special.sep))
    fail(place.string(), ": the vocabulary has no [CLS] or no [SEP]");
  if (tokenizer.vocab_size() > config.vocab_size)
    fail(place.string(), ": the tokenizer has ", io::counted(tokenizer.vocab_size(), "token"), ", the model in ",
         folder.string(), " knows ", config.vocab_size);
}

namespace {

// A model without token types, or with one, tells the texts of a pair apart by what stands between them.
std::vector<text::Encoding> with_known_types(std::vector<text::Encoding> rows, const model::ModelConfig& config) {
  if (config.type_vocab_size < 2)
    for (auto& row : rows) std::fill(row.types.begin(), row.types.end(), 0);
  return rows;
}

}  // namespace

std::vector<text::Encoding> encode(const model::ModelConfig& config, const text::Tokenizer& tokenizer,
                                   std::string_view first, std::optional<std::string_view> second,
                                   const text::RowOptions& options) {
  if (config.causal() || !options.special_tokens || tokenizer.post_processor().adds())
    return with_known_types(text::encode_rows(tokenizer, first, second, options), config);
  using Piece = text::PostProcessor::Piece;
  const auto& special = tokenizer.special();
  const auto type = static_cast<int32_t>(config.family->second_type);
  text::PostProcessor::Template row = {Piece{-1, {*special.cls}, 0}, Piece{0, {}, 0}, Piece{-1, {*special.sep}, 0}};
  if (second) {
    for (int64_t i = 1; i < config.family->separators; ++i) row.push_back(Piece{-1, {*special.sep}, 0});
    row.push_back(Piece{1, {}, type});
    row.push_back(Piece{-1, {*special.sep}, type});
  }
  return with_known_types(text::encode_rows(tokenizer, first, second, options, row), config);
}

namespace {

io::Json roles_of(const text::Tokenizer& tokenizer, bool causal) {
  const auto& special = tokenizer.special();
  io::Json roles = io::Json::object();
  const auto add = [&](const char* role, std::optional<int32_t> id) {
    if (id) roles[role] = tokenizer.content(*id);
  };
  if (causal) {
    add("bos_token", special.end_of_text());
    add("eos_token", special.end_of_text());
  } else {
    add("cls_token", special.cls);
    add("sep_token", special.sep);
    add("mask_token", special.mask);
    add("pad_token", special.pad);
  }
  add("unk_token", special.unk);
  return roles;
}

}  // namespace

// PreTrainedTokenizerFast takes tokenizer.json as it is; the classes of the families have settings of their own, which
// they take over those of the file.
void save_tokenizer(const text::Tokenizer& tokenizer, const model::ModelConfig& config, const fs::path& folder) {
  io::write_file(folder / "tokenizer.json", tokenizer.to_json());
  const auto roles = roles_of(tokenizer, config.causal());
  io::Json settings = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                       {"model_max_length", config.max_length()},
                       {"clean_up_tokenization_spaces", false},
                       {"model_input_names", {"input_ids", "attention_mask"}}};
  if (config.type_vocab_size > 1) settings["model_input_names"] = {"input_ids", "token_type_ids", "attention_mask"};
  settings.update(roles);
  io::write_json(folder / "tokenizer_config.json", settings);
  io::write_json(folder / "special_tokens_map.json", roles);
  if (!config.causal()) return;
  io::Json generation = {{"_from_model_config", true}};
  if (config.bos_token_id) generation["bos_token_id"] = *config.bos_token_id;
  if (!config.eos_token_ids.empty())
    config.eos_token_ids.size() == 1 ? generation["eos_token_id"] = config.eos_token_ids[0]
                                     : generation["eos_token_id"] = config.eos_token_ids;
  io::write_json(folder / "generation_config.json", generation);
}

}  // namespace saobp::pretrained
