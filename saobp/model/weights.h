// Weights between modules and safetensors files, under transformers' names.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "saobp/io/safetensors.h"
#include "saobp/model/libtorch.h"
#include "saobp/model/weight_names.h"

namespace saobp::model {

// Safetensors files of named tensors, dtypes kept. save_tensors gives XXH64 of the file's bytes. load_tensors copies,
// so that the file may go.
uint64_t save_tensors(const std::filesystem::path& path, const TensorList& tensors,
                      const std::map<std::string, std::string>& metadata = {});
TensorList load_tensors(const std::filesystem::path& path);

// Without the names.
std::vector<torch::Tensor> tensors_of(const TensorList& list);

// How a folder is opened where it is not to be what it says.
struct LoadOptions {
  // The head: absent, the one that the file holds (config.json's "architectures" where its tensors are there, else a
  // language model's where those are; else none).
  std::optional<HeadKind> head;
  // Draws a head's tensors that the file lacks, and a classifier's outputs where `change` gives it other labels;
  // absent: they must be there.
  std::optional<uint64_t> seed;
  // With a seed: draws the head's tensors, a pooler's too, although the file has them.
  bool new_head = false;
  // Changes the config before the model is made. Where the new one says nothing of trained positions and has a place
  // for more than the old one had trained, those are spread over the whole table, and lines drawn between them
  // (interpolation).
  std::function<void(ModelConfig& config)> change;
};

struct LoadedModel {
  Model model;
  std::vector<std::string> unused;  // tensors in the file that the model has no place for (a pooler, say)
  std::vector<std::string> drawn;   // the model's tensors that the file lacked
  std::vector<std::string> notes;   // what else is not as config.json says, a sentence each
  int64_t stretched_from = 0;       // places of the file's position table that were spread over the model's; 0: none
};

// `folder` holds config.json and model.safetensors, or several files with their model.safetensors.index.json, as
// transformers saves any of a family's classes. float32 whatever the file holds. Where config.json ties the head to the
// word embeddings and the file holds other values for it, they are not tied. Error naming file and tensor when one is
// missing, of another shape or not finite. In evaluation mode.
LoadedModel load_model(const std::filesystem::path& folder, const LoadOptions& options = {});

// named_weights, and behind them, under the program's own names, the parameters and buffers that model files do not
// hold and a run that goes on needs: learned strengths, γ, u and v of σReparam, whose named weights are its W, and what
// a trainer has registered with the model.
TensorList checkpoint_tensors(const Model& model);

// Fills an existing model from a file of named_weights, or of its checkpoint_tensors; the same errors. Returns the
// tensors that had no place.
std::vector<std::string> load_weights(const Model& model, const std::filesystem::path& path);
std::vector<std::string> load_checkpoint_tensors(const Model& model, const std::filesystem::path& path);

// Writes config.json, with the strengths of now and, of σReparam, the weights that it makes, and model.safetensors into
// `folder`; gives XXH64 of model.safetensors.
uint64_t save_model(const Model& model, const std::filesystem::path& folder);

}  // namespace saobp::model
