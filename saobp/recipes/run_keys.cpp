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
std::string key_of_json(const io::Json& json) { return key_of(nlohmann::json::parse(json.dump()).dump()); }

}  // namespace

std::string key_of(std::string_view bytes) { return io::hexadecimal(hash_of(bytes)); }

RunKey tokenizer_key(const text::Tokenizer& tokenizer, const std::string& flag) {
  return {"tokenizer", flag, key_of_json(io::Json::parse(tokenizer.to_json())), "tokenizer.json"};
}

RunKey model_key(const model::ModelConfig& config, const std::string& flag) {
  auto same = config;
  same.trained_positions = 0;  // training changes it
  return {"model", flag, key_of_json(model::to_json(same)), "config.json"};
}

io::Json to_json(const RunKeys& keys) {
  io::Json json = io::Json::object();
  for (const auto& key : keys) json[key.name] = key.value;
  return json;
}

void require_same(const io::Json& recorded, const RunKeys& now, const std::string& source,
                  const std::filesystem::path& run) {
  for (const auto& key : now) {
    if (!recorded.contains(key.name) || recorded.at(key.name) == key.value) continue;
    const auto what = key.file.empty() ? concat("the text in ", key.flag) : (run / key.file).string();
    fail(source, ": ", what, " was changed since the run began; a resumed run needs the same ",
         key.file.empty() ? "text" : "file");
  }
}

void require_same_on_ranks(const RunKeys& keys, const train::World& world) {
  for (const auto& key : keys) {
    const auto hash = torch::tensor(static_cast<int64_t>(hash_of(key.value.dump()))), first = hash.clone();
    world.broadcast({first});
    if (!first.equal(hash)) fail(key.flag, " holds something else here than on rank 0; all ranks need the same");
  }
}

}  // namespace saobp::recipes
