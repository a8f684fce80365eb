#include "saobp/model/weights.h"

#include <algorithm>
#include <map>
#include <set>

#include "saobp/io/words.h"
#include "saobp/model/weight_files.h"
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

// Fills the tensors of `model` from a file or several. What is missing is drawn where `may_draw` says so.
class Loader {
 public:
  // `spread`: the places of the file's position table that are spread over the model's; 0: the table stays.
  Loader(const WeightFiles& files, const Model& model, int64_t file_table = 0, int64_t spread = 0)
      : files_(files), model_(model), file_table_(file_table), spread_(spread) {}

  // `draws`: tensors that are drawn although the file has them.
  void load(const TensorList& tensors, const std::function<bool(const std::string&)>& may_draw = {},
            const std::function<bool(const torch::Tensor&)>& draws = {}) {
    for (const auto& [name, tensor] : tensors) {
      const auto* found = find(name);
      if (draws && draws(tensor))
        drawn.push_back(name);
      else if (found)
        copy(*found, tensor);
      else if (may_draw && may_draw(name))
        drawn.push_back(name);
      else
        fail(files_.name(), ": tensor ", name, " is missing");
    }
  }

  std::vector<std::string> unused() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : files_.tensors())
      if (!used_.contains(name)) names.push_back(name);
    return names;
  }

  std::vector<std::string> drawn;

 private:
  // All names that the file has for it are used; the first counts.
  const WeightFiles::Tensors::value_type* find(const std::string& name) {
    const WeightFiles::Tensors::value_type* first = nullptr;
    for (const auto& candidate : names_in_files(model_, name))
      if (const auto it = files_.tensors().find(candidate); it != files_.tensors().end()) {
        used_.insert(candidate);
        if (!first) first = &*it;
      }
    return first;
  }

  void copy(const WeightFiles::Tensors::value_type& found, const torch::Tensor& tensor) {
    const std::string source = files_.name_of(found.first);
    auto value = copy_of(found.second, source);
    if (!value.is_floating_point())
      fail(source, ": is of type ", found.second.dtype, "; weights in F32, F16, BF16 or F64 were expected");
    const bool spread = spread_ > 0 && tensor.storage().data() == model_->position_embeddings.storage().data();
    const auto shape = spread ? std::vector{file_table_, tensor.size(1)} : tensor.sizes().vec();
    if (value.sizes() != shape)
      fail(source, ": has shape ", concat(value.sizes()), "; config.json asks for ", concat(torch::IntArrayRef(shape)));
    if (spread)
      stretch(value.to(torch::kFloat), tensor);
    else
      tensor.copy_(value);
  }

  // Rows of a position table onto a longer one; those that RoBERTa leaves to padding stay.
  void stretch(const torch::Tensor& from, const torch::Tensor& to) {
    const int64_t kept = model_->config.max_position_embeddings - model_->config.max_length();
    to.slice(0, 0, kept).copy_(from.slice(0, 0, kept));
    const auto old = from.slice(0, kept, kept + spread_), places = to.slice(0, kept);
    const auto at = torch::linspace(0, static_cast<double>(old.size(0) - 1), places.size(0), torch::kDouble);
    const auto below = at.floor().to(torch::kLong).clamp_max(std::max<int64_t>(old.size(0) - 2, 0));
    const auto above = (below + 1).clamp_max(old.size(0) - 1);
    const auto share = (at - below).to(torch::kFloat).unsqueeze(1);
    places.copy_(old.index({below}) * (1 - share) + old.index({above}) * share);
  }

  const WeightFiles& files_;
  const Model& model_;
  int64_t file_table_, spread_;
  std::set<std::string> used_;
};

std::vector<std::string> load_all(const Model& model, const TensorList& tensors, const std::filesystem::path& path) {
  const WeightFiles files(path);
  Loader loader(files, model);
  loader.load(tensors);
  return loader.unused();
}

// Whether the tensors are there that make a head what it is.
bool holds(const WeightFiles& files, const HeadRecord& record, const ModelConfig& config) {
  const auto has = [&](const std::string& name) { return files.tensors().contains(name); };
  if (record.kind != HeadKind::language_model || !config.tie_word_embeddings)
    return has(concat(record.output, ".weight"));
  return !record.dense || has(concat(record.dense, ".weight")) || has(concat(record.norm, ".weight")) ||
         has(bias_name(record));
}

std::optional<HeadKind> head_in(const WeightFiles& files, const ModelConfig& config, const io::Json& json) {
  if (const auto named = json.find("architectures"); named != json.end() && named->is_array())
    for (const auto& record : config.family->heads)
      if (std::find(named->begin(), named->end(), record.architecture) != named->end() && holds(files, record, config))
        return record.kind;
  const auto& language = *config.family->head(HeadKind::language_model);
  if (holds(files, language, config)) return HeadKind::language_model;
  return {};
}

// A head that was trained by itself, whatever config.json says.
bool has_other_head(const WeightFiles& files, const ModelConfig& config) {
  const auto& names = config.family->tensors;
  const auto find = [&](const std::string& name) -> const io::TensorEntry* {
    const auto it = files.tensors().find(name);
    return it == files.tensors().end() ? nullptr : &it->second;
  };
  const auto* words = find(concat(names.prefix, names.word_embeddings));
  if (!words) words = find(names.word_embeddings);
  const auto* head = find(concat(config.family->head(HeadKind::language_model)->output, ".weight"));
  if (!words || !head || words->shape != head->shape) return false;
  if (words->dtype == head->dtype)
    return !std::equal(words->bytes.begin(), words->bytes.end(), head->bytes.begin(), head->bytes.end());
  const auto values = [&](const io::TensorEntry& entry) { return copy_of(entry, files.name()).to(torch::kFloat); };
  return !torch::equal(values(*words), values(*head));
}

// Before memory is taken for what config.json says.
void require_about_size(const WeightFiles& files, const ModelConfig& config) {
  double elements = 0;
  for (const auto& [name, entry] : files.tensors())
    elements += static_cast<double>(entry.bytes.size()) / static_cast<double>(io::dtype_size(entry.dtype));
  if (static_cast<double>(config.parameters()) > 8 * elements + 1e6)
    fail(files.name(), ": holds ", elements, " numbers; config.json describes a model of ", config.parameters());
}

std::optional<HeadKind> kind_of_head(const ModelImpl& model) {
  return model.head() ? std::optional(model.head()->record.kind) : std::nullopt;
}

// The same model with the weights that σReparam makes of its own.
Model with_effective_weights(const Model& model) {
  torch::NoGradGuard no_grad;
  auto config = model->config;
  config.sigma_reparam = false;
  auto plain = make_model(config, std::nullopt, kind_of_head(*model));
  const auto from = named_weights(model), to = named_weights(plain);
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

TensorList checkpoint_tensors(const Model& model) {
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

std::vector<std::string> load_weights(const Model& model, const std::filesystem::path& path) {
  return load_all(model, named_weights(model), path);
}

std::vector<std::string> load_checkpoint_tensors(const Model& model, const std::filesystem::path& path) {
  return load_all(model, checkpoint_tensors(model), path);
}

namespace {

// Whether a classifier's outputs mean something else than before. transformers' LABEL_0 … are no names.
bool are_other_labels(const ModelConfig& before, const ModelConfig& now) {
  constexpr auto kind = HeadKind::sequence_classification;
  if (outputs_of(kind, before) != outputs_of(kind, now)) return true;
  const bool named = std::any_of(before.labels.begin(), before.labels.end(),
                                 [](const std::string& name) { return !name.starts_with("LABEL_"); });
  return named && before.labels != now.labels;
}

std::string stretching_note(const ModelConfig& before, const ModelConfig& now) {
  const int64_t trained = before.trained_length(), table = before.max_length();
  return concat("its position table of ", table, trained < table ? concat(", of which ", trained, " are trained,") : "",
                " is stretched", trained < table ? " from those" : "", " to ", now.max_length());
}

}  // namespace

LoadedModel load_model(const std::filesystem::path& folder, const LoadOptions& options) {
  const auto path = folder / "config.json";
  const auto json = io::read_json(path);
  auto config = config_from_json(json, path.string());
  const WeightFiles files(find_weights(folder));
  LoadedModel loaded;
  if (config.tie_word_embeddings && has_other_head(files, config)) {
    config.tie_word_embeddings = false;
    loaded.notes.push_back(concat(files.name(),
                                  ": the head has weights of its own, although config.json ties them to "
                                  "the word embeddings; they are not tied"));
  }
  const auto kind = options.head ? options.head : head_in(files, config, json);
  const auto before = config;
  if (options.change) options.change(config);
  require_about_size(files, config);
  loaded.model = make_model(config, options.seed, kind);
  const torch::NoGradGuard no_grad;
  if (config.trained_positions == 0 && config.max_length() > before.trained_length()) {
    loaded.stretched_from = before.trained_length();
    loaded.notes.push_back(stretching_note(before, config));
  }
  Loader loader(files, loaded.model, before.max_position_embeddings, loaded.stretched_from);
  const bool may_draw = options.seed.has_value();
  // Gains of QK-norm begin as 1 in a model that had none.
  const auto& names = config.family->tensors;
  loader.load(backbone_weights(*loaded.model), [&](const std::string& name) {
    return may_draw && (name.ends_with(names.query_norm) || name.ends_with(names.key_norm));
  });
  const auto* head = loaded.model->head();
  const bool other_labels = may_draw && kind == HeadKind::sequence_classification && are_other_labels(before, config);
  loader.load(
      head_weights(loaded.model), [&](const std::string&) { return may_draw; },
      [&](const torch::Tensor& tensor) {
        const auto is = [&](const torch::Tensor& output) { return output.defined() && tensor.is_alias_of(output); };
        return (may_draw && options.new_head) || (other_labels && (is(head->output_weight) || is(head->output_bias)));
      });
  loaded.unused = loader.unused(), loaded.drawn = loader.drawn;
  for (const auto& name : loaded.unused)
    if (is_of_a_layer(*config.family, name))
      fail(files.name(), ": tensor ", name, " has no place in the ", io::counted(config.num_hidden_layers, "layer"),
           " that config.json describes");
  for (const auto& [name, tensor] : named_weights(loaded.model))
    if (!torch::isfinite(tensor).all().item<bool>())
      fail(files.name(), ": tensor ", name, " holds values that are not finite; a model cannot be used with them");
  loaded.model->eval();
  return loaded;
}

uint64_t save_model(const Model& model, const std::filesystem::path& folder) {
  auto weights = named_weights(model->config.sigma_reparam ? with_effective_weights(model) : model);
  // transformers gives an untied product a bias of its own beside the head's.
  const auto* head = model->head();
  if (head && head->record.kind == HeadKind::language_model && head->output_weight.defined() &&
      head->output_bias.defined())
    if (const auto twin = concat(head->record.output, ".bias"); twin != bias_name(head->record))
      weights.emplace_back(twin, head->output_bias.detach());
  const auto checksum = save_tensors(folder / "model.safetensors", weights, {{"format", "pt"}});
  auto config = to_json(model->current_config(), head ? &head->record : nullptr);
  if (model->word_embeddings.scalar_type() == torch::kDouble) config["dtype"] = "float64";
  io::write_json(folder / "config.json", config);
  return checksum;
}

}  // namespace saobp::model
