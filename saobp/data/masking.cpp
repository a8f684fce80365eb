#include "saobp/data/masking.h"

#include <algorithm>

#include "saobp/io/error.h"

namespace saobp::data {

TokenRoles::TokenRoles(const text::Tokenizer& tokenizer) : vocab_size(tokenizer.vocab_size()) {
  const text::SpecialTokens& roles = tokenizer.special();
  std::string missing;
  auto take = [&](const std::optional<int32_t>& id, const char* name) {
    if (!id) missing += concat(missing.empty() ? "" : ", ", name);
    return id.value_or(-1);
  };
  cls = take(roles.cls, "[CLS]");
  sep = take(roles.sep, "[SEP]");
  mask = take(roles.mask, "[MASK]");
  pad = take(roles.pad, "[PAD]");
  if (!missing.empty())
    fail("the vocabulary has no ", missing, "; masked-language modelling needs [CLS], [SEP], [MASK] and [PAD]");
  for (const auto& id : {roles.cls, roles.sep, roles.mask, roles.pad, roles.unk, roles.eos})
    if (id) special.push_back(*id);
  std::sort(special.begin(), special.end());
  special.erase(std::unique(special.begin(), special.end()), special.end());
  if (vocab_size <= static_cast<int64_t>(special.size()))
    fail("the vocabulary has ", io::counted(vocab_size, "token"), ", all of them special; ordinary ones were expected");
}

bool TokenRoles::is_special(int32_t id) const { return std::binary_search(special.begin(), special.end(), id); }

Masker::Masker(const MaskingOptions& options, const TokenRoles& roles, uint64_t seed)
    : options_(options), roles_(roles), seed_(seed) {
  io::check_limits(options);
  if (options.mask_share + options.random_share > 1 + 1e-12)
    fail_usage("--mask-share ", options.mask_share, " and --random-share ", options.random_share,
               " sum to more than 1");
}

// Uniform over the ids without a role: the special ids are stepped over in ascending order.
int32_t Masker::random_token(Random& random) const {
  auto id = static_cast<int32_t>(random.below(static_cast<uint64_t>(roles_.vocab_size) - roles_.special.size()));
  for (int32_t special : roles_.special) id += id >= special;
  return id;
}

void Masker::append(std::span<const int32_t> row, uint64_t row_number, Batch& batch) const {
  if (batch.rows > 0 && batch.length != static_cast<int64_t>(row.size()))
    fail("a row of ", io::counted(row.size(), "id"), " cannot join a batch of rows of ", batch.length);
  const auto start = static_cast<int64_t>(batch.input_ids.size());
  batch.length = static_cast<int64_t>(row.size());
  ++batch.rows;
  batch.input_ids.insert(batch.input_ids.end(), row.begin(), row.end());
  size_t tokens = row.size();  // before the padding; a [PAD] that the text spells out is a token
  while (tokens > 0 && row[tokens - 1] == roles_.pad) --tokens;
  batch.attention_mask.insert(batch.attention_mask.end(), tokens, 1);
  batch.attention_mask.insert(batch.attention_mask.end(), row.size() - tokens, 0);
  batch.padded |= tokens < row.size();

  Random random(seed_, Purpose::masks, row_number);
  auto hide = [&](size_t at) {
    batch.positions.push_back(start + static_cast<int64_t>(at));
    batch.targets.push_back(row[at]);
    double kind = random.uniform();
    int64_t& shown = batch.input_ids[static_cast<size_t>(start) + at];
    if (kind < options_.mask_share)
      shown = roles_.mask;
    else if (kind < options_.mask_share + options_.random_share)
      shown = random_token(random);
  };
  std::vector<size_t> candidates;
  size_t before = batch.positions.size();
  for (size_t at = 0; at < row.size(); ++at) {
    if (roles_.is_special(row[at])) continue;
    candidates.push_back(at);
    if (random.uniform() < options_.mask_probability) hide(at);
  }
  if (batch.positions.size() == before && !candidates.empty()) hide(candidates[random.below(candidates.size())]);
}

}  // namespace saobp::data
