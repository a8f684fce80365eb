#include "saobp/model/weights.h"

#include <map>
#include <set>

namespace saobp::model {
namespace {

constexpr const char* kHeadBias = "cls.predictions.bias";
constexpr const char* kDecoderBias = "cls.predictions.decoder.bias";

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

// The name in the file for what the model calls `name`: old checkpoints say gamma and beta, and a bare BertModel has no
// "bert." in front.
const io::TensorEntry* find_entry(const io::SafetensorsFile& file, const std::string& name, bool tied,
                                  std::string& found) {
  std::vector<std::string> candidates = {name};
  // An untied decoder of transformers has a bias of its own, and that one counts.
  if (name == kHeadBias && !tied) candidates.insert(candidates.begin(), kDecoderBias);
  if (name.starts_with("bert.")) candidates.push_back(name.substr(5));
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

std::filesystem::path weights_path(const std::filesystem::path& folder) {
  auto path = folder / "model.safetensors";
  if (!std::filesystem::exists(path) && std::filesystem::exists(folder / "pytorch_model.bin"))
    fail(path.string(), ": is missing; pytorch_model.bin is a pickle and is not read: save the model as safetensors");
  return path;
}

}  // namespace

void save_tensors(const std::filesystem::path& path, const TensorList& tensors,
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
  io::write_safetensors(path, entries, metadata);
}

TensorList load_tensors(const std::filesystem::path& path) {
  io::SafetensorsFile file(path);
  TensorList tensors;
  for (const auto& [name, entry] : file.tensors())
    tensors.emplace_back(name, copy_of(entry, path.string() + ": tensor " + name));
  return tensors;
}

TensorList named_weights(Bert& model) {
  TensorList list;
  const int64_t h = model->config.hidden_size;
  auto add = [&](const std::string& name, const torch::Tensor& tensor) { list.emplace_back(name, tensor.detach()); };
  auto add_pair = [&](const std::string& name, const torch::Tensor& weight, const torch::Tensor& bias) {
    add(name + ".weight", weight), add(name + ".bias", bias);
  };
  add("bert.embeddings.word_embeddings.weight", model->word_embeddings);
  add("bert.embeddings.position_embeddings.weight", model->position_embeddings);
  add("bert.embeddings.token_type_embeddings.weight", model->token_type_embeddings);
  add_pair("bert.embeddings.LayerNorm", model->norm_weight, model->norm_bias);
  for (size_t i = 0; i < model->layers.size(); ++i) {
    auto& layer = *model->layers[i];
    const std::string prefix = "bert.encoder.layer." + std::to_string(i) + ".";
    const char* parts[] = {"query", "key", "value"};
    for (int64_t part = 0; part < 3; ++part)
      add_pair(prefix + "attention.self." + parts[part], layer.qkv_weight.slice(0, part * h, (part + 1) * h),
               layer.qkv_bias.slice(0, part * h, (part + 1) * h));
    add_pair(prefix + "attention.output.dense", layer.output_weight, layer.output_bias);
    add_pair(prefix + "attention.output.LayerNorm", layer.attention_norm_weight, layer.attention_norm_bias);
    add_pair(prefix + "intermediate.dense", layer.up_weight, layer.up_bias);
    add_pair(prefix + "output.dense", layer.down_weight, layer.down_bias);
    add_pair(prefix + "output.LayerNorm", layer.norm_weight, layer.norm_bias);
  }
  if (model->has_head()) {
    add(kHeadBias, model->head_bias);
    add_pair("cls.predictions.transform.dense", model->transform_weight, model->transform_bias);
    add_pair("cls.predictions.transform.LayerNorm", model->transform_norm_weight, model->transform_norm_bias);
    if (model->decoder_weight.defined()) add("cls.predictions.decoder.weight", model->decoder_weight);
  }
  return list;
}

std::vector<std::string> load_weights(Bert& model, const std::filesystem::path& path) {
  io::SafetensorsFile file(path);
  std::set<std::string> used;
  for (auto& [name, tensor] : named_weights(model)) {
    std::string found;
    const auto* entry = find_entry(file, name, model->config.tie_word_embeddings, found);
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

LoadedBert load_bert(const std::filesystem::path& folder) {
  auto config = read_bert_config(folder / "config.json");
  auto path = weights_path(folder);
  bool with_head = false;
  {
    // Before memory is taken for what config.json says.
    io::SafetensorsFile file(path);
    with_head = file.tensors().contains(kHeadBias);
    double elements = 0;
    for (const auto& [name, entry] : file.tensors())
      elements += static_cast<double>(entry.bytes.size()) / static_cast<double>(io::dtype_size(entry.dtype));
    if (static_cast<double>(config.parameters()) > 8 * elements + 1e6)
      fail(path.string(), ": holds ", elements, " numbers; config.json describes a model of ", config.parameters());
  }
  LoadedBert loaded{Bert(config, std::nullopt, with_head), {}};
  loaded.unused = load_weights(loaded.model, path);
  for (const auto& name : loaded.unused)
    if (name.find("encoder.layer.") != std::string::npos)
      fail(path.string(), ": tensor ", name, " has no place in the ", config.num_hidden_layers,
           " layers that config.json describes");
  loaded.model->eval();
  return loaded;
}

void save_bert(Bert& model, const std::filesystem::path& folder) {
  auto weights = named_weights(model);
  if (model->decoder_weight.defined()) weights.emplace_back(kDecoderBias, model->head_bias.detach());
  save_tensors(folder / "model.safetensors", weights, {{"format", "pt"}});
  io::write_json(folder / "config.json", to_json(model->config));
}

}  // namespace saobp::model
