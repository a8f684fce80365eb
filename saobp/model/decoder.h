// A decoder token by token: the keys and values of the tokens before are kept.
#pragma once

#include <vector>

#include "saobp/attention/decode.h"
#include "saobp/model/backbone.h"

namespace saobp::model {

// What the tokens before left behind, one cache a layer (attention/decode.h).
struct DecoderCache {
  std::vector<attention::DecodeCache> layers;
  int64_t length() const { return layers.front().length(); }  // tokens so far
};

// Error for an encoder.
DecoderCache new_cache(const BackboneImpl& model);

// The next n tokens of every row, input_ids [B, n] → hidden states [B, n, C], equal to the last n of hidden_states()
// over the whole rows to rounding. No dropout, no gradients. Errors as there.
torch::Tensor decode(BackboneImpl& model, const torch::Tensor& input_ids, DecoderCache& cache);

}  // namespace saobp::model
