// GPT-2 (Radford et al. 2019) with refined attention in its causal prefix form, and its language-model head, which is
// the word embedding unless config.json unties it.
#pragma once

#include <vector>

#include "saobp/attention/decode.h"
#include "saobp/model/language_model.h"

namespace saobp::model {

// What the tokens before left behind, one cache a layer (attention/decode.h). Made by Gpt2Impl::new_cache.
struct Gpt2Cache {
  std::vector<attention::DecodeCache> layers;
  int64_t length() const { return layers.front().length(); }  // tokens so far
};

struct Gpt2Impl : LanguageModelImpl {
  // Weights are drawn from N(0, initializer_range²) with `seed`, those of the projections onto the residual divided by
  // √(2 · layers); biases 0, LayerNorm 1 and 0. Without a seed they are left as memory held them, to be loaded.
  // `with_head` matters only where the head is not tied.
  Gpt2Impl(const ModelConfig& config, std::optional<uint64_t> seed, bool with_head = true);

  // Positions count from the row's first place, whatever the mask says; the outputs of padded places mean nothing.
  using LanguageModelImpl::hidden_states;
  torch::Tensor hidden_states(const torch::Tensor& input_ids, const torch::Tensor& attention_mask,
                              const AttentionProbe& probe) override;
  bool has_head() const override { return config.tie_word_embeddings || head_weight.defined(); }
  torch::Tensor head_states(const torch::Tensor& hidden) override { return hidden; }
  OutputProjection projection() override;
  TensorList named_weights() override;

  // Generation. The next n tokens of every row, input_ids [B, n] → hidden states [B, n, C], equal to the last n of
  // hidden_states() over the whole rows to rounding. No dropout, no gradients. Error as there.
  Gpt2Cache new_cache() const;
  torch::Tensor decode(const torch::Tensor& input_ids, Gpt2Cache& cache);

  torch::Tensor norm_weight, norm_bias;
  torch::Tensor head_weight;  // defined only where it is not tied to word_embeddings

 private:
  torch::Tensor embed(const torch::Tensor& input_ids, int64_t first) const;
  torch::Tensor last_norm(const torch::Tensor& hidden) const;
};

class Gpt2 : public torch::nn::ModuleHolder<Gpt2Impl> {
 public:
  using torch::nn::ModuleHolder<Gpt2Impl>::ModuleHolder;
  operator LanguageModel() const { return ptr(); }
};

}  // namespace saobp::model
