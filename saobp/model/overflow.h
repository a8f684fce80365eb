// Finite weights whose activations are not: a result that holds NaN or infinity is looked into by a second pass, which
// finds the layer where they begin.
#pragma once

#include <string>

#include "saobp/model/backbone.h"

namespace saobp::model {

// Where hidden states of these inputs first are not finite: "the embeddings", "layer 2" (from 0), "the last norm", or
// "the head" where all of them are finite.
std::string first_not_finite(BackboneImpl& model, const Inputs& inputs);

// Error naming `source` and that place when `result`, made from these inputs, holds a value that is not finite.
void require_finite(const torch::Tensor& result, BackboneImpl& model, const Inputs& inputs, const std::string& source);

}  // namespace saobp::model
