// The safetensors files of a model's folder, one or several, as one.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "saobp/io/safetensors.h"

namespace saobp::model {

class WeightFiles {
 public:
  using Tensors = std::map<std::string, io::TensorEntry>;

  // `path`: a .safetensors file, or an index.json whose "weight_map" names the file of each tensor. Error for one that
  // is missing, and for a tensor that is not where the index says.
  explicit WeightFiles(const std::filesystem::path& path);

  // Views into the files, which live as long as this.
  const Tensors& tensors() const { return tensors_; }
  // For messages: the whole, and where a tensor lies.
  const std::string& name() const { return name_; }
  std::string name_of(const std::string& tensor) const;

 private:
  void read_index(const std::filesystem::path& path);

  std::string name_;
  std::vector<std::unique_ptr<io::SafetensorsFile>> files_;
  std::map<std::string, std::string> places_;  // of tensors, where there are several files
  Tensors tensors_;
};

// The file of a model's folder to open: model.safetensors, or else model.safetensors.index.json. Error that says what
// is there instead.
std::filesystem::path find_weights(const std::filesystem::path& folder);

}  // namespace saobp::model
