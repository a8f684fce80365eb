// Decoding with a key-value cache: the causal form, some tokens at a time, without going back over the rows before.
//
// What the tokens before leave behind, besides their keys and values, is one number per key and head, the column sum
// c_k = Σ_i m_ik over the rows so far (docs/method.md, "Causal form"); with several steps of belief propagation one for
// each step. The elemmul variant keeps W = Σ_i a_iᵀ v_i, [keys, channels], and s = Σ_i a_i in place of the values. A
// row costs O(L·D), and the results equal those of refined_attention with causal = true over the whole sequence, to
// rounding.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "saobp/attention/refined_attention.h"

namespace saobp::attention {

// The cache of one layer. Copies share their tensors: use one of them only.
class DecodeCache {
 public:
  // options: strength or strengths, elemmul, exclude_self and steps count; causal is implied. Masks come with the
  // tokens; dropout and leaky_causal are refused. Keys and values are stored in `storage` (default: the type of the
  // first keys); the arithmetic is in float, in double where the queries are; c is held in double.
  explicit DecodeCache(const AttentionOptions& options, std::optional<at::ScalarType> storage = {});

  int64_t length() const { return length_; }      // tokens that are held, padding included
  int64_t capacity() const { return capacity_; }  // tokens that fit before the cache grows, by doubling
  void reserve(int64_t capacity);                 // only after the first tokens, which fix batch, heads and types

  // Row b becomes what row indices[b] was: indices int64 [new batch]; rows may repeat or vanish (beam search).
  void reorder(const at::Tensor& indices);

 private:
  friend at::Tensor prefill(DecodeCache&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                            const std::optional<at::Tensor>&);

  void check(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
             const std::optional<at::Tensor>& key_mask) const;
  void allocate(const at::Tensor& query, const at::Tensor& key);
  void append(const at::Tensor& key, const at::Tensor& value, const std::optional<at::Tensor>& key_mask);
  at::Tensor scores(const at::Tensor& query, int64_t begin) const;
  at::Tensor shares(int64_t begin, int64_t rows, const at::Tensor& like) const;
  at::Tensor row_softmax(const at::Tensor& logits, int64_t begin) const;
  at::Tensor refined_rows(const at::Tensor& query, int64_t begin);
  at::Tensor elemmul_rows(const at::Tensor& query, const at::Tensor& value, int64_t begin);
  template <class Function>
  void for_each_tensor(const Function& function);

  AttentionOptions options_;
  std::optional<at::ScalarType> storage_;
  int64_t length_ = 0, capacity_ = 0;
  // Token along dimension 2 in all of them; undefined where the variant has no use for it; 0 beyond length_.
  at::Tensor key_, value_;               // [B, H_k, capacity, D]; padded tokens hold 0
  at::Tensor padded_;                    // [B, 1, capacity] bool; undefined until a mask is given
  std::vector<at::Tensor> column_sums_;  // c of each step, [B, H, capacity] double; elemmul: s, in the working type
  at::Tensor products_;                  // elemmul: W, [B, H, capacity, D]
};

// Appends any number of tokens, a prompt or its continuation, and gives their output: query [B, H, n, D], key and value
// [B, H_k, n, D] → [B, H, n, D]. key_mask [B, n], true = real: padded tokens (at the left of prompts of different
// lengths, or anywhere) get no weight, send nothing, and have output 0. Works by blocks of rows, never an L×L matrix.
// Nothing here carries gradients. Throws c10::Error, naming both sizes, when the arguments disagree with each other or
// with the cache.
at::Tensor prefill(DecodeCache& cache, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                   const std::optional<at::Tensor>& key_mask = {});

// The same for one token: query [B, H, 1, D], key and value [B, H_k, 1, D] → [B, H, 1, D].
at::Tensor decode_step(DecodeCache& cache, const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                       const std::optional<at::Tensor>& key_mask = {});

}  // namespace saobp::attention
