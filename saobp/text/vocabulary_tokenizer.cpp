#include "saobp/text/vocabulary_tokenizer.h"

#include <algorithm>

#include "saobp/io/words.h"

namespace saobp::text {
namespace {

// The first of the names that the vocabulary has.
std::optional<int32_t> first_of(const Vocabulary& vocabulary, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (auto id = vocabulary.id(name)) return id;
  return std::nullopt;
}

io::Json added_json(const AddedToken& token) {
  return {{"id", token.id},          {"content", token.content}, {"single_word", token.single_word},
          {"lstrip", token.lstrip},  {"rstrip", token.rstrip},   {"normalized", token.normalized},
          {"special", token.special}};
}

}  // namespace

std::vector<AddedToken> special_tokens(const Vocabulary& vocabulary, const std::vector<std::string>& names) {
  std::vector<AddedToken> added;
  for (const std::string& name : names)
    if (auto id = vocabulary.id(name)) added.push_back({.id = *id, .content = name, .special = true});
  return added;
}

VocabularyTokenizer::VocabularyTokenizer(Vocabulary vocabulary, std::vector<AddedToken> added, io::Json post_processor,
                                         const std::string& source)
    : vocabulary_(std::move(vocabulary)), added_(std::move(added)), post_processor_(std::move(post_processor), source) {
  // New ids count on from the number of the model's tokens, or from the last new one.
  auto next = static_cast<int32_t>(vocabulary_.size());
  for (AddedToken& token : added_) {
    int32_t expected = vocabulary_.id(token.content).value_or(next);
    if (token.id != expected)
      fail(source, ": added token \"", token.content, "\" has id ", token.id, "; ", expected, " was expected (",
           expected == next ? "added tokens follow the model's" : "its id in the vocabulary", ")");
    if (expected != next || vocabulary_.has(expected)) continue;
    vocabulary_.add(token.content, token.id, source);
    extra_.insert(token.id);
    ++next;
  }
  for (const auto* row : {&post_processor_.single(), &post_processor_.pair()})
    for (const auto& piece : *row)
      for (const int32_t id : piece.ids)
        if (!vocabulary_.has(id))
          fail(source, ": post_processor: id ", id, " is not in the vocabulary of ",
               io::counted(vocabulary_.size(), "token"));
  is_special_.resize(static_cast<size_t>(vocabulary_.end()));
  is_added_.resize(static_cast<size_t>(vocabulary_.end()));
  for (const AddedToken& token : added_) is_added_[static_cast<size_t>(token.id)] = true;
  for (const AddedToken& token : added_)
    if (token.special) is_special_[static_cast<size_t>(token.id)] = true;
  special_.cls = first_of(vocabulary_, {"[CLS]", "<s>"});
  special_.sep = first_of(vocabulary_, {"[SEP]", "</s>"});
  special_.mask = first_of(vocabulary_, {"[MASK]", "<mask>"});
  special_.pad = first_of(vocabulary_, {"[PAD]", "<pad>"});
  special_.unk = first_of(vocabulary_, {"[UNK]", "<unk>"});
  special_.eos = first_of(vocabulary_, {"<|endoftext|>", "</s>"});
}

void VocabularyTokenizer::set_roles(const Roles& roles) {
  const auto set = [&](const char* role, std::optional<int32_t>& id) {
    const auto named = roles.find(role);
    if (named == roles.end()) return;
    if (const auto found = vocabulary_.id(named->second.content)) id = found;
  };
  set("cls_token", special_.cls), set("sep_token", special_.sep), set("mask_token", special_.mask);
  set("pad_token", special_.pad), set("unk_token", special_.unk), set("eos_token", special_.eos);
}

void VocabularyTokenizer::refuse_empty(const std::string& pattern, const AddedToken& token, const std::string& source) {
  if (pattern.empty())
    fail(source, ": added token \"", token.content, "\" (id ", token.id, ") is empty",
         token.content.empty() ? "" : " once normalised", "; that is not supported");
}

void VocabularyTokenizer::read_as(const AddedToken& token, const std::string& pattern) {
  as_normalized_[token.id] = pattern;
  is_special_[static_cast<size_t>(token.id)] = std::any_of(
      added_.begin(), added_.end(), [&](const AddedToken& other) { return other.special && other.content == pattern; });
}

std::vector<std::string_view> VocabularyTokenizer::tokens(const std::vector<int32_t>& ids, bool skip_special) const {
  std::vector<std::string_view> found;
  found.reserve(ids.size());
  for (int32_t id : ids) {
    if (vocabulary_.is_hole(id)) continue;
    const std::string& text = token(id);
    if (!skip(id, skip_special)) found.push_back(text);
  }
  return found;
}

std::string VocabularyTokenizer::to_json() const {
  std::vector<AddedToken> added = added_;
  std::sort(added.begin(), added.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  io::Json list = io::Json::array();
  for (const AddedToken& token : added) list.push_back(added_json(token));
  io::Json head = {{"version", "1.0"},
                   {"truncation", nullptr},
                   {"padding", nullptr},
                   {"added_tokens", std::move(list)},
                   {"normalizer", normalizer_json()},
                   {"pre_tokenizer", pre_tokenizer_json()},
                   {"post_processor", post_processor_.json()},
                   {"decoder", decoder_json()}};
  std::string text = head.dump(1), model = model_json().dump();
  text.resize(text.rfind('\n'));  // reopens both objects
  model.pop_back();
  text += ",\n \"model\": " + model + ",\"vocab\":{\n";
  // By hand: an ordered JSON object looks for each new key among all the others.
  bool first = true;
  for (int32_t id = 0; id < vocabulary_.end(); ++id) {
    if (!in_model(id)) continue;
    text += (first ? "  " : ",\n  ") + io::Json(vocabulary_.token(id)).dump() + ": " + std::to_string(id);
    first = false;
  }
  return text + "\n }" + after_vocabulary() + "}\n}\n";
}

}  // namespace saobp::text
