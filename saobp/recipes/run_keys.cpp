#include "saobp/recipes/run_keys.h"

#include "saobp/io/hash.h"

namespace saobp::recipes {
namespace {

uint64_t hash_of(std::string_view text) {
  io::Hash64 hash;
  hash.add(text);
  return hash.value();
}

// With sorted keys: a file that was read and written again may be ordered differently and says the same.
std::string key_of(const io::Json& json) { return io::hexadecimal(hash_of(nlohmann::json::parse(json.dump()).dump())); }

// What each key is of, as the user knows it.
const std::pair<const char*, const char*> kNames[] = {
    {"tokenizer", "--tokenizer"}, {"model", "--model"}, {"corpus", "--corpus"}, {"validation", "--validation"}};

}  // namespace

std::string key_of(const text::Tokenizer& tokenizer) { return key_of(io::Json::parse(tokenizer.to_json())); }

std::string key_of(const model::ModelConfig& config) { return key_of(model::to_json(config)); }

io::Json to_json(const RunKeys& keys) {
  return {
      {"corpus", keys.corpus}, {"validation", keys.validation}, {"tokenizer", keys.tokenizer}, {"model", keys.model}};
}

void require_same(const io::Json& recorded, const RunKeys& now, const std::string& source,
                  const std::filesystem::path& run) {
  const auto ours = to_json(now);
  for (const auto& [key, name] : kNames) {
    if (!recorded.contains(key) || recorded.at(key) == ours.at(key)) continue;
    const bool is_text = ours.at(key).is_array();
    const auto what = is_text ? concat("the text in ", name)
                              : (run / (std::string_view(key) == "model" ? "config.json" : "tokenizer.json")).string();
    fail(source, ": ", what, " was changed since the run began; a resumed run needs the same ",
         is_text ? "text" : "file");
  }
}

void require_same_on_ranks(const RunKeys& keys, const train::World& world) {
  const auto ours = to_json(keys);
  for (const auto& [key, name] : kNames) {
    const auto hash = torch::tensor(static_cast<int64_t>(hash_of(ours.at(key).dump()))), first = hash.clone();
    world.broadcast({first});
    if (!first.equal(hash)) fail(name, " holds something else here than on rank 0; all ranks need the same");
  }
}

}  // namespace saobp::recipes
