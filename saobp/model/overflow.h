// Finite weights whose activations are not: a result that holds NaN or infinity is looked into by a second pass, which
// finds the layer where they begin.
#pragma once

#include <string>

#include "saobp/model/language_model.h"

namespace saobp::model {

// Where hidden states of these ids first are not finite: "the embeddings", "layer 2" (from 0), "the last norm", or
// "the head" where all of them are finite. input_ids and attention_mask as hidden_states takes them.
std::string first_not_finite(LanguageModelImpl& model, const torch::Tensor& input_ids,
                             const torch::Tensor& attention_mask = {});

// Error naming `source` and that place when `result`, made from these ids, holds a value that is not finite.
void require_finite(const torch::Tensor& result, LanguageModelImpl& model, const torch::Tensor& input_ids,
                    const torch::Tensor& attention_mask, const std::string& source);

}  // namespace saobp::model
