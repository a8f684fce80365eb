#include "saobp/analysis/sequence.h"

#include <ATen/ATen.h>

#include "saobp/io/error.h"

namespace saobp::analysis {

Sequence::Sequence(const Tokens& tokens, bool causal) : tokens_(tokens), causal_(causal) {
  const auto fits = [&](size_t size) { return size == 0 || size == tokens.ids.size(); };
  if (tokens.ids.empty()) fail("a sequence without a token cannot be measured");
  if (!fits(tokens.special.size()) || !fits(tokens.types.size()))
    fail("a sequence of ", tokens.ids.size(), " tokens was given ", tokens.types.size(), " types and ",
         tokens.special.size(), " marks of special tokens");
}

const at::Tensor& Sequence::special_tokens() {
  if (!special_tokens_.defined()) {
    special_tokens_ = at::zeros({length()});
    for (size_t i = 0; i < tokens_.special.size(); ++i)
      if (tokens_.special[i]) special_tokens_[static_cast<int64_t>(i)] = 1;
  }
  return special_tokens_;
}

const at::Tensor& Sequence::same_token() {
  if (!same_token_.defined()) {
    const auto ids = at::tensor(tokens_.ids, at::kLong);
    auto same = ids.unsqueeze(1).eq(ids).to(at::kFloat) * (1 - special_tokens()).unsqueeze(1);
    same.diagonal().zero_();
    same_token_ = causal_ ? same.tril() : same;
  }
  return same_token_;
}

const at::Tensor& Sequence::after_same_token() {
  if (!after_same_token_.defined()) {
    // One key further on; that of the last key would lie outside.
    auto after = at::zeros({length(), length()});
    if (length() > 1) after.narrow(1, 1, length() - 1).copy_(same_token().narrow(1, 0, length() - 1));
    after_same_token_ = causal_ ? after.tril() : after;
  }
  return after_same_token_;
}

const at::Tensor& Sequence::distances() {
  if (!distances_.defined()) {
    const auto places = at::arange(length(), at::kFloat);
    distances_ = (places.unsqueeze(1) - places).abs();
  }
  return distances_;
}

const at::Tensor& Sequence::visible_keys() {
  if (!visible_keys_.defined())
    visible_keys_ = causal_ ? at::arange(1, length() + 1, at::kFloat)
                            : at::full({length()}, static_cast<double>(length()), at::kFloat);
  return visible_keys_;
}

}  // namespace saobp::analysis
