// What a run reads besides its options, as keys that tell whether it is still the same when the run goes on.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "saobp/io/json.h"
#include "saobp/model/config.h"
#include "saobp/text/tokenizer.h"
#include "saobp/train/distributed.h"

namespace saobp::recipes {

struct RunKey {
  std::string name;  // in run.json and state.json
  std::string flag;  // that names what was read
  io::Json value;
  std::string file = "";  // of the run's folder, where it is read again; empty: what the flag names is
};
using RunKeys = std::vector<RunKey>;

// Of bytes; of a tokenizer and a config by what tokenizer.json and config.json say, however they are laid out.
std::string key_of(std::string_view bytes);
RunKey tokenizer_key(const text::Tokenizer& tokenizer, const std::string& flag);
RunKey model_key(const model::ModelConfig& config, const std::string& flag);

io::Json to_json(const RunKeys& keys);

// Error naming the first thing that is another one than `recorded` says, an object as to_json makes it. What is not in
// there is not compared. `source` is where it was recorded, `run` the run's folder.
void require_same(const io::Json& recorded, const RunKeys& now, const std::string& source,
                  const std::filesystem::path& run);

// Error, on the ranks that see something else than rank 0, naming it.
void require_same_on_ranks(const RunKeys& keys, const train::World& world);

}  // namespace saobp::recipes
