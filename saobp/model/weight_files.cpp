#include "saobp/model/weight_files.h"

#include "saobp/io/error.h"
#include "saobp/io/json.h"

namespace saobp::model {
namespace {

namespace fs = std::filesystem;

}  // namespace

WeightFiles::WeightFiles(const fs::path& path) : name_(path.string()) {
  if (path.extension() == ".json") {
    read_index(path);
    return;
  }
  files_.push_back(std::make_unique<io::SafetensorsFile>(path));
  for (const auto& [name, entry] : files_[0]->tensors()) tensors_.emplace(name, entry);
}

void WeightFiles::read_index(const fs::path& path) {
  const auto json = io::read_json(path);
  const auto map = io::require<io::Json>(json, "weight_map", name_);
  if (!map.is_object()) fail(name_, ": \"weight_map\" is ", io::type_name(map), "; an object was expected");
  if (map.empty()) fail(name_, ": \"weight_map\" names no tensor");
  std::map<std::string, const io::SafetensorsFile*> opened;
  for (const auto& [tensor, value] : map.items()) {
    const auto file = io::convert<std::string>(value, name_ + ": \"weight_map\": \"" + tensor + "\"");
    if (fs::path(file).filename() != file || file.empty() || file == "." || file == "..")
      fail(name_, ": \"", file, "\" was found; a file beside it was expected");
    const auto place = path.parent_path() / file;
    auto& one = opened[file];
    if (!one) one = files_.emplace_back(std::make_unique<io::SafetensorsFile>(place)).get();
    const auto found = one->tensors().find(tensor);
    if (found == one->tensors().end())
      fail(place.string(), ": tensor ", tensor, " is missing; ", path.filename().string(), " says that it is there");
    tensors_.emplace(tensor, found->second);
    places_[tensor] = place.string();
  }
  // Tensors that the index forgot.
  for (const auto& [file, one] : opened)
    for (const auto& [tensor, entry] : one->tensors())
      if (tensors_.emplace(tensor, entry).second) places_[tensor] = (path.parent_path() / file).string();
}

std::string WeightFiles::name_of(const std::string& tensor) const {
  const auto place = places_.find(tensor);
  return concat(place == places_.end() ? name_ : place->second, ": tensor ", tensor);
}

fs::path find_weights(const fs::path& folder) {
  const auto path = folder / "model.safetensors", index = folder / "model.safetensors.index.json";
  if (fs::exists(path)) return path;
  if (fs::exists(index)) return index;
  if (fs::exists(folder / "pytorch_model.bin"))
    fail(path.string(), ": is missing; pytorch_model.bin is a pickle and is not read: save the model as safetensors");
  return path;
}

}  // namespace saobp::model
