// BERT (Devlin et al. 2019) with refined attention, and its masked-LM head.
#pragma once

#include "saobp/model/language_model.h"

namespace saobp::model {

struct BertImpl : LanguageModelImpl {
  // Weights are drawn from N(0, initializer_range²) with `seed`; biases 0, LayerNorm 1 and 0, the padding row 0.
  // Without the head only encode() and hidden_states() can be used.
  // Without a seed they are left as memory held them, to be loaded.
  BertImpl(const ModelConfig& config, std::optional<uint64_t> seed, bool with_head = true);

  // hidden_states() with token types: token_type_ids [B, L]; undefined: all 0.
  torch::Tensor encode(const torch::Tensor& input_ids, const torch::Tensor& attention_mask = {},
                       const torch::Tensor& token_type_ids = {}, const AttentionProbe& probe = {});
  using LanguageModelImpl::hidden_states;
  torch::Tensor hidden_states(const torch::Tensor& input_ids, const torch::Tensor& attention_mask,
                              const AttentionProbe& probe) override {
    return encode(input_ids, attention_mask, {}, probe);
  }
  torch::Tensor head_states(const torch::Tensor& hidden) override;
  OutputProjection projection() override;
  TensorList named_weights() override;

  bool has_head() const override { return head_bias.defined(); }

  torch::Tensor token_type_embeddings, norm_weight, norm_bias;
  // The head; decoder_weight is defined only where it is not tied to word_embeddings.
  torch::Tensor transform_weight, transform_bias, transform_norm_weight, transform_norm_bias, decoder_weight, head_bias;

 private:
  void require_head() const;
};

class Bert : public torch::nn::ModuleHolder<BertImpl> {
 public:
  using torch::nn::ModuleHolder<BertImpl>::ModuleHolder;
  operator LanguageModel() const { return ptr(); }
};

}  // namespace saobp::model
