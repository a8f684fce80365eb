// Weights between modules and safetensors files, under transformers' names.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "saobp/io/safetensors.h"
#include "saobp/model/language_model.h"
#include "saobp/model/libtorch.h"

namespace saobp::model {

// Safetensors files of named tensors, dtypes kept. save_tensors gives XXH64 of the file's bytes. load_tensors copies,
// so that the file may go.
uint64_t save_tensors(const std::filesystem::path& path, const TensorList& tensors,
                      const std::map<std::string, std::string>& metadata = {});
TensorList load_tensors(const std::filesystem::path& path);

// Without the names.
std::vector<torch::Tensor> tensors_of(const TensorList& list);

// The model's tensors under the names of transformers' BertForMaskedLM or GPT2LMHeadModel, as views: writing to them
// writes to the model. Packed query, key and value of a BERT appear as three; GPT-2's matrices are [in, out] as there.
TensorList named_weights(const LanguageModel& model);

struct LoadedModel {
  LanguageModel model;
  std::vector<std::string> unused;  // tensors in the file that the model has no place for (a pooler, say)
};

// `folder` holds config.json and model.safetensors, as transformers saves BertModel, BertForMaskedLM, GPT2Model,
// GPT2LMHeadModel or others of the two families; the head is made only where its tensors are there. float32 whatever
// the file holds. Error naming file and tensor when one is missing, of another shape or not finite. In evaluation mode.
LoadedModel load_model(const std::filesystem::path& folder);

// named_weights, and behind them, under the program's own names, the parameters and buffers that model files do not
// hold and a run that goes on needs: learned strengths, γ, u and v of σReparam, whose named weights are its W, and what
// a trainer has registered with the model.
TensorList checkpoint_tensors(const LanguageModel& model);

// Fills an existing model from a file of named_weights, or of its checkpoint_tensors; the same errors. Returns the
// tensors that had no place.
std::vector<std::string> load_weights(const LanguageModel& model, const std::filesystem::path& path);
std::vector<std::string> load_checkpoint_tensors(const LanguageModel& model, const std::filesystem::path& path);

// Writes config.json, with the strengths of now and, of σReparam, the weights that it makes, and model.safetensors into
// `folder`; gives XXH64 of model.safetensors.
uint64_t save_model(const LanguageModel& model, const std::filesystem::path& folder);

}  // namespace saobp::model
