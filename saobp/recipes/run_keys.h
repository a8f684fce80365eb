// What a run reads besides its options, as keys that tell whether it is still the same when the run goes on.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "saobp/io/json.h"
#include "saobp/model/config.h"
#include "saobp/text/tokenizer.h"
#include "saobp/train/distributed.h"

namespace saobp::recipes {

struct RunKeys {
  // Names of the token caches, which are made of everything that the ids follow from. `validation` is empty where
  // nothing is validated on, or what the corpus holds out.
  std::vector<std::string> corpus, validation;
  std::string tokenizer, model;  // of what tokenizer.json and config.json say, however they are laid out
};

std::string key_of(const text::Tokenizer& tokenizer);
std::string key_of(const model::ModelConfig& config);

io::Json to_json(const RunKeys& keys);

// Error naming the first thing that is another one than `recorded` says, an object as to_json makes it. What is not in
// there is not compared. `source` is where it was recorded, `run` the run's folder.
void require_same(const io::Json& recorded, const RunKeys& now, const std::string& source,
                  const std::filesystem::path& run);

// Error, on the ranks that see something else than rank 0, naming it.
void require_same_on_ranks(const RunKeys& keys, const train::World& world);

}  // namespace saobp::recipes
