#include "saobp/model/decoder.h"

#include "saobp/io/error.h"

namespace saobp::model {

DecoderCache new_cache(const BackboneImpl& model) {
  if (!model.config.causal()) fail("new_cache: a ", model.config.family->title, " is no decoder");
  torch::NoGradGuard no_grad;
  DecoderCache cache;
  for (size_t i = 0; i < model.layers.size(); ++i) cache.layers.emplace_back(model.attention_options(i));
  return cache;
}

torch::Tensor decode(BackboneImpl& model, const torch::Tensor& input_ids, DecoderCache& cache) {
  torch::NoGradGuard no_grad;
  if (model.is_training()) fail("decode: the model is in training mode; evaluation mode was expected");
  auto hidden = model.embed(input_ids, cache.length());
  for (size_t i = 0; i < model.layers.size(); ++i)
    hidden = model.layers[i]->forward(
        hidden,
        [&](const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& value) {
          return attention::prefill(cache.layers[i], query, key, value);
        },
        /*seed=*/0);
  return model.finish(hidden);
}

}  // namespace saobp::model
