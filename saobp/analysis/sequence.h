// One sequence as measures see it: its tokens, and which pairs of them are of a kind.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace saobp::analysis {

// The real tokens of a sequence, special ones included.
struct Tokens {
  std::vector<int64_t> ids;
  std::vector<int64_t> types;  // empty: all 0
  std::vector<bool> special;   // which are special tokens; empty: none is
};

// Parts are made when they are first asked for, and stay: one object serves all layers, in one thread. `tokens` must
// outlive it.
class Sequence {
 public:
  Sequence(const Tokens& tokens, bool causal);

  int64_t length() const { return std::ssize(tokens_.ids); }
  bool causal() const { return causal_; }

  // Float, 1 where it is so and else 0. Of tokens, [L]:
  const at::Tensor& special_tokens();
  // Of pairs of a query and a key that it can see, [L, L]: another place with the same token, which is no special one;
  // and the place behind such a one, which is where an induction head looks.
  const at::Tensor& same_token();
  const at::Tensor& after_same_token();
  // |j − k|, [L, L], and the number of keys that each query sees, [L].
  const at::Tensor& distances();
  const at::Tensor& visible_keys();

 private:
  const Tokens& tokens_;
  bool causal_;
  at::Tensor special_tokens_, same_token_, after_same_token_, distances_, visible_keys_;
};

}  // namespace saobp::analysis
