#include "saobp/model/weights.h"

#include <algorithm>
#include <map>
#include <set>

#include "saobp/model/weight_names.h"

namespace saobp::model {
namespace {

const std::pair<const char*, torch::ScalarType> kDtypes[] = {
    {"F32", torch::kFloat32}, {"F64", torch::kFloat64}, {"F16", torch::kFloat16}, {"BF16", torch::kBFloat16},
    {"I64", torch::kInt64},   {"I32", torch::kInt32},   {"I16", torch::kInt16},   {"I8", torch::kInt8},
    {"U8", torch::kUInt8},    {"BOOL", torch::kBool}};

std::string dtype_name(torch::ScalarType type) {
  for (const auto& [name, scalar] : kDtypes)
    if (scalar == type) return name;
  fail("a tensor of type ", torch::toString(type), " cannot be stored as safetensors");
}

// A copy: the data of a file need not be aligned.
torch::Tensor copy_of(const io::TensorEntry& entry, const std::string& source) {
  for (const auto& [name, scalar] : kDtypes)
    if (entry.dtype == name) {
      auto tensor = torch::empty(entry.shape, torch::TensorOptions(scalar));
      std::copy(entry.bytes.begin(), entry.bytes.end(), static_cast<std::byte*>(tensor.mutable_data_ptr()));
      return tensor;
    }
  fail(source, ": dtype \"", entry.dtype, "\" is not supported");
}

// The name in the file for what the model calls `name`: old checkpoints say gamma and beta, and a bare BertModel or
// GPT2Model has no "bert." or "transformer." in front.
const io::TensorEntry* find_entry(const io::SafetensorsFile& file, const std::string& name, bool tied,
                                  std::string& found) {
  std::vector<std::string> candidates = {name};
  // An untied decoder of transformers has a bias of its own, and that one counts.
  if (name == kBertHeadBias && !tied) candidates.insert(candidates.begin(), kBertDecoderBias);
  for (const std::string prefix : {"bert.", "transformer."})
    if (name.starts_with(prefix)) candidates.push_back(name.substr(prefix.size()));
  for (size_t i = 0, n = candidates.size(); i < n; ++i) {
    std::string old = candidates[i];
    if (old.ends_with("LayerNorm.weight")) candidates.push_back(old.substr(0, old.size() - 6) + "gamma");
    if (old.ends_with("LayerNorm.bias")) candidates.push_back(old.substr(0, old.size() - 4) + "beta");
  }
  for (const auto& candidate : candidates)
    if (auto it = file.tensors().find(candidate); it != file.tensors().end()) {
      found = candidate;
      return &it->second;
    }
  return nullptr;
}

// Whether a tensor that the model has no place for belongs to a layer. Old files of GPT-2 hold the causal mask of each
// layer, which is no weight.
bool is_of_a_layer(const std::string& name) {
  if (name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")) return false;
  return name.find("encoder.layer.") != std::string::npos || name.starts_with("h.") ||
         name.starts_with("transformer.h.");
}

std::filesystem::path weights_path(const std::filesystem::path& folder) {
  auto path = folder / "model.safetensors";
  if (!std::filesystem::exists(path) && std::filesystem::exists(folder / "model.safetensors.index.json"))
    fail(path.string(),
         ": is missing; model.safetensors.index.json says that the weights are in several files, which are "
         "not read: save the model with a larger max_shard_size");
  if (!std::filesystem::exists(path) && std::filesystem::exists(folder / "pytorch_model.bin"))
    fail(path.string(), ": is missing; pytorch_model.bin is a pickle and is not read: save the model as safetensors");
  return path;
}

std::vector<std::string> load_into(const TensorList& tensors, const std::filesystem::path& path, bool tied) {
  io::SafetensorsFile file(path);
  std::set<std::string> used;
  for (const auto& [name, tensor] : tensors) {
    std::string found;
    const auto* entry = find_entry(file, name, tied, found);
    if (!entry) fail(path.string(), ": tensor ", name, " is missing");
    used.insert(found);
    const std::string source = path.string() + ": tensor " + found;
    auto value = copy_of(*entry, source);
    if (value.sizes() != tensor.sizes())
      fail(source, ": has shape ", concat(value.sizes()), "; config.json asks for ", concat(tensor.sizes()));
    tensor.copy_(value);
  }
  std::vector<std::string> unused;
  for (const auto& [name, entry] : file.tensors())
    if (!used.contains(name)) unused.push_back(name);
  return unused;
}

// The same model with the weights that σReparam makes of its own.
LanguageModel with_effective_weights(const LanguageModel& model) {
  torch::NoGradGuard no_grad;
  auto config = model->config;
  config.sigma_reparam = false;
  auto plain = make_model(config, std::nullopt, model->has_head());
  const auto from = model->named_weights(), to = plain->named_weights();
  for (size_t i = 0; i < to.size(); ++i) to[i].second.copy_(from[i].second);
  for (size_t i = 0; i < plain->layers.size(); ++i)
    for (auto matrix : {kQkv, kOutput, kUp, kDown})
      plain->layers[i]->stored_weight(matrix).copy_(model->layers[i]->weight(matrix));
  return plain;
}

}  // namespace

std::vector<torch::Tensor> tensors_of(const TensorList& list) {
  std::vector<torch::Tensor> tensors;
  for (const auto& [name, tensor] : list) tensors.push_back(tensor);
  return tensors;
}

uint64_t save_tensors(const std::filesystem::path& path, const TensorList& tensors,
                      const std::map<std::string, std::string>& metadata) {
  std::vector<io::NamedTensor> entries;
  std::vector<torch::Tensor> kept;  // holds contiguous copies until they are written
  for (const auto& [name, tensor] : tensors) {
    kept.push_back(tensor.detach().cpu().contiguous());
    const auto& t = kept.back();
    entries.push_back({name,
                       {dtype_name(t.scalar_type()),
                        t.sizes().vec(),
                        {static_cast<const std::byte*>(t.const_data_ptr()), static_cast<size_t>(t.nbytes())}}});
  }
  return io::write_safetensors(path, entries, metadata);
}

TensorList load_tensors(const std::filesystem::path& path) {
  io::SafetensorsFile file(path);
  TensorList tensors;
  for (const auto& [name, entry] : file.tensors())
    tensors.emplace_back(name, copy_of(entry, path.string() + ": tensor " + name));
  return tensors;
}

TensorList named_weights(const LanguageModel& model) { return model->named_weights(); }

TensorList checkpoint_tensors(const LanguageModel& model) {
  auto tensors = named_weights(model);
  std::set<const void*> stored;
  for (const auto& [name, tensor] : tensors) stored.insert(tensor.storage().data());
  const auto add = [&](const auto& items) {
    for (const auto& item : items)
      if (!stored.contains(item.value().storage().data())) tensors.emplace_back(item.key(), item.value().detach());
  };
  add(model->named_parameters());
  add(model->named_buffers());
  return tensors;
}

std::vector<std::string> load_weights(const LanguageModel& model, const std::filesystem::path& path) {
  return load_into(named_weights(model), path, model->config.tie_word_embeddings);
}

std::vector<std::string> load_checkpoint_tensors(const LanguageModel& model, const std::filesystem::path& path) {
  return load_into(checkpoint_tensors(model), path, model->config.tie_word_embeddings);
}

LoadedModel load_model(const std::filesystem::path& folder) {
  const auto config = read_config(folder / "config.json");
  const auto path = weights_path(folder);
  bool with_head = false;
  {
    // Before memory is taken for what config.json says.
    io::SafetensorsFile file(path);
    with_head = file.tensors().contains(config.causal() ? kGpt2Head : kBertHeadBias);
    double elements = 0;
    for (const auto& [name, entry] : file.tensors())
      elements += static_cast<double>(entry.bytes.size()) / static_cast<double>(io::dtype_size(entry.dtype));
    if (static_cast<double>(config.parameters()) > 8 * elements + 1e6)
      fail(path.string(), ": holds ", elements, " numbers; config.json describes a model of ", config.parameters());
  }
  LoadedModel loaded{make_model(config, std::nullopt, with_head), {}};
  loaded.unused = load_weights(loaded.model, path);
  for (const auto& name : loaded.unused)
    if (is_of_a_layer(name))
      fail(path.string(), ": tensor ", name, " has no place in the ", config.num_hidden_layers,
           " layers that config.json describes");
  for (const auto& [name, tensor] : named_weights(loaded.model))
    if (!torch::isfinite(tensor).all().item<bool>())
      fail(path.string(), ": tensor ", name, " holds values that are not finite; a model cannot be used with them");
  loaded.model->eval();
  return loaded;
}

uint64_t save_model(const LanguageModel& model, const std::filesystem::path& folder) {
  auto weights = named_weights(model->config.sigma_reparam ? with_effective_weights(model) : model);
  const auto find = [&](const char* name) {
    return std::find_if(weights.begin(), weights.end(), [&](const auto& item) { return item.first == name; });
  };
  if (find(kBertDecoder) != weights.end()) weights.emplace_back(kBertDecoderBias, find(kBertHeadBias)->second);
  const auto checksum = save_tensors(folder / "model.safetensors", weights, {{"format", "pt"}});
  auto config = to_json(model->current_config());
  if (model->word_embeddings.scalar_type() == torch::kDouble) config["dtype"] = "float64";
  io::write_json(folder / "config.json", config);
  return checksum;
}

}  // namespace saobp::model
