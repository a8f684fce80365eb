// The tensors of a model under the names and in the layout of transformers' files.
#pragma once

#include <string>

#include "saobp/model/model.h"

namespace saobp::model {

// As views: writing to them writes to the model. A packed matrix of query, key and value appears as three where the
// family's files hold three, and matrices are [in, out] where they are there.
TensorList named_weights(const Model& model);
// Those of the backbone alone, with the family's prefix.
TensorList backbone_weights(const BackboneImpl& model);

// Those of the head; none where there is none.
TensorList head_weights(const Model& model);
std::string bias_name(const HeadRecord& record);

// The names under which a file may hold the tensor that the model calls `name`, the likeliest first: a bare backbone's
// file has no prefix, old ones say gamma and beta, and a tensor that is shared lies under either of its names.
std::vector<std::string> names_in_files(const Model& model, const std::string& name);

// Whether a tensor that the model has no place for belongs to a layer, and is a weight.
bool is_of_a_layer(const Family& family, const std::string& name);

}  // namespace saobp::model
