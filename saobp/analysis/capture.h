// A model's attention over one sequence, kept to be looked at.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "saobp/analysis/refinement.h"
#include "saobp/analysis/sequence.h"
#include "saobp/model/model.h"

namespace saobp::analysis {

struct Captured {
  struct Layer {
    torch::Tensor query, key, value;  // [1, H, L, D]
    attention::AttentionOptions options;
  };
  std::vector<Layer> layers;
  std::vector<torch::Tensor> states;  // [L, C]: the embeddings, and what each layer puts out
};

// In evaluation mode, without gradients. Error naming the model, as `name`, and its layer where values are not finite.
Captured capture(const model::Model& model, const Tokens& tokens, const std::string& name = "the model");

// A and B of a layer, [H, L, L] in float32; the same tensor twice where nothing is refined. Those of a decoder are
// causal: row j is 0 beyond column j.
struct Matrices {
  torch::Tensor before, after;
};
Matrices matrices_of(const Captured::Layer& layer);

}  // namespace saobp::analysis
