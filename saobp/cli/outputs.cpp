#include "saobp/cli/outputs.h"

#include <set>

#include "saobp/cli/console.h"
#include "saobp/io/paths.h"
#include "saobp/recipes/checkpoint_model.h"

namespace saobp::cli {
namespace {

namespace fs = std::filesystem;

// By its name: what a verb was told to write into such a folder before (.npy, .html, other .json) may be replaced.
bool belongs_to_a_model(const fs::path& file) {
  static const std::set<std::string> names = {
      "run.json",  "config.json", "tokenizer.json",    "tokenizer_config.json",       "vocab.json",
      "vocab.txt", "merges.txt",  "added_tokens.json", "special_tokens_map.json",     "generation_config.json",
      "best.json", "state.json",  "pytorch_model.bin", "model.safetensors.index.json"};
  const auto name = file.filename().string();
  return names.contains(name) || name.ends_with(".safetensors") || name.ends_with(".jsonl") ||
         name.starts_with("events.out.tfevents.");
}

}  // namespace

void prepare_output(const std::string& output, const std::string& flag, const Paths& inputs) {
  io::require_not_input(output, flag, inputs);
  if (io::is_standard_output(output)) Console::leave_standard_output();
}

Paths files_of(const fs::path& model, bool analyses) {
  Paths files;
  std::error_code error;
  if (!fs::is_directory(model, error)) {
    for (const char* beside : {"merges.txt", "tokenizer_config.json"}) files.push_back(model.parent_path() / beside);
    files.push_back(model);
    return files;
  }
  // A checkpoint is opened with its run's settings and tokenizer.
  if (const auto run = recipes::run_of_checkpoint(model)) return files_of(*run, analyses);
  for (auto at = fs::recursive_directory_iterator(model, error); !error && at != fs::recursive_directory_iterator();
       at.increment(error)) {
    const auto folder = at->path().parent_path().filename();
    const bool analysis = at->path().extension() == ".json" &&
                          (folder == "analysis" || folder == "eval" || at->path().filename() == "suite.json");
    if (analysis ? analyses : belongs_to_a_model(at->path())) files.push_back(at->path());
  }
  return files;
}

Paths operator+(Paths a, const Paths& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace saobp::cli
