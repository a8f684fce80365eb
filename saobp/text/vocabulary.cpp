#include "saobp/text/vocabulary.h"

#include "saobp/io/error.h"
#include "saobp/io/words.h"

namespace saobp::text {

void Vocabulary::add(std::string token, int32_t id, const std::string& source) {
  constexpr int32_t kMost = 1 << 26;  // far above any vocabulary; a damaged file must not take the memory
  if (id < 0 || id >= kMost)
    fail(source, ": token \"", token, "\" has id ", id, "; ids from 0 to ", kMost - 1, " were expected");
  auto at = static_cast<size_t>(id);
  if (at >= tokens_.size()) tokens_.resize(at + 1), present_.resize(at + 1);
  if (present_[at]) fail(source, ": tokens \"", tokens_[at], "\" and \"", token, "\" both have id ", id);
  if (auto [it, fresh] = ids_.emplace(token, id); !fresh)
    fail(source, ": token \"", token, "\" is there twice, as ", it->second, " and ", id);
  tokens_[at] = std::move(token);
  present_[at] = true;
}

std::optional<int32_t> Vocabulary::id(std::string_view token) const {
  auto it = ids_.find(token);
  if (it == ids_.end()) return std::nullopt;
  return it->second;
}

const std::string& Vocabulary::token(int32_t id) const {
  if (!has(id)) fail("id ", id, " is not in the vocabulary of ", io::counted(size(), "token"));
  return tokens_[static_cast<size_t>(id)];
}

}  // namespace saobp::text
