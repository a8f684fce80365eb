// Tokens and their ids, both ways. Ids need not be dense: gaps are ids without a token.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace saobp::text {

class Vocabulary {
 public:
  // Error naming `source` when the id is negative or absurd, or is taken, or the token is there already.
  void add(std::string token, int32_t id, const std::string& source);

  std::optional<int32_t> id(std::string_view token) const;
  bool has(int32_t id) const { return id >= 0 && id < end() && present_[static_cast<size_t>(id)]; }
  // An id without a token between others.
  bool is_hole(int32_t id) const { return id >= 0 && id < end() && !present_[static_cast<size_t>(id)]; }
  // Error for an id that is not there.
  const std::string& token(int32_t id) const;
  // One more than the largest id.
  int32_t end() const { return static_cast<int32_t>(tokens_.size()); }
  // The number of tokens.
  size_t size() const { return ids_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::vector<std::string> tokens_;
  std::vector<bool> present_;
  std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> ids_;
};

}  // namespace saobp::text
