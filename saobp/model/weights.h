// Weights between modules and safetensors files, under transformers' names.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "saobp/io/safetensors.h"
#include "saobp/model/bert.h"

namespace saobp::model {

using TensorList = std::vector<std::pair<std::string, torch::Tensor>>;

// Safetensors files of named tensors, dtypes kept. load_tensors copies, so that the file may go.
void save_tensors(const std::filesystem::path& path, const TensorList& tensors,
                  const std::map<std::string, std::string>& metadata = {});
TensorList load_tensors(const std::filesystem::path& path);

// The model's tensors under the names of transformers' BertForMaskedLM, as views: writing to them writes to the
// model. Packed query, key and value appear as three.
TensorList named_weights(Bert& model);

struct LoadedBert {
  Bert model{nullptr};
  std::vector<std::string> unused;  // tensors in the file that the model has no place for (a pooler, say)
};

// `folder` holds config.json and model.safetensors, as transformers saves BertModel, BertForMaskedLM or any other BERT;
// the head is made only where its tensors are there. float32 whatever the file holds. Error naming file and tensor when
// one is missing or of another shape.
LoadedBert load_bert(const std::filesystem::path& folder);

// Fills an existing model from a file of named_weights; the same errors. Returns the tensors that had no place.
std::vector<std::string> load_weights(Bert& model, const std::filesystem::path& path);

// Writes config.json and model.safetensors into `folder`.
void save_bert(Bert& model, const std::filesystem::path& folder);

}  // namespace saobp::model
