#include "saobp/recipes/run_setup.h"

#include <ATen/Parallel.h>

#include "saobp/data/masking.h"
#include "saobp/train/run_folder.h"
#include "saobp/train/run_lock.h"

namespace saobp::recipes {

PretrainOptions with_absolute_paths(PretrainOptions options) {
  for (auto* sources : {&options.corpus.corpus, &options.train.validation})
    for (auto& source : *sources) source = fs::absolute(source).string();
  if (!options.model.from.empty()) options.model.from = folder_name(fs::absolute(options.model.from)).string();
  if (!options.corpus.cache.empty()) options.corpus.cache = fs::absolute(options.corpus.cache).string();
  return options;
}

fs::path folder_name(fs::path folder) {
  while ((folder.filename().empty() || folder.filename() == ".") && folder.has_parent_path() &&
         folder.parent_path() != folder)
    folder = folder.parent_path();
  return folder;
}

void refuse_existing(const fs::path& run) {
  if (const auto holder = train::holder_of(run))
    fail(run.string(), ": exists already, and ", *holder, " trains in it; choose another --output");
  if (fs::exists(fs::symlink_status(run)))
    fail(run.string(), ": exists already; choose another --output, or continue that run with --resume ", run.string());
}

void find_texts(const PretrainOptions& options) {
  for (const auto& source : data::parse_sources(options.corpus)) data::find_files(source, options.corpus.exclude);
  if (options.train.validation.empty()) return;
  for (const auto& source : data::parse_sources(validation_corpus(options)))
    data::find_files(source, options.corpus.exclude);
}

void set_threads(const PretrainOptions& options) {
  if (options.train.threads > 0) at::set_num_threads(static_cast<int>(options.train.threads));
}

VocabularyFacts vocabulary_facts(const ModelOptions& options, const text::Tokenizer& tokenizer) {
  if (family_of(options).causal) return {tokenizer.vocab_size(), 0, 0, 0, tokenizer.special().end_of_text()};
  const data::TokenRoles roles(tokenizer);
  return {tokenizer.vocab_size(), roles.pad, roles.cls, roles.sep, {}};
}

}  // namespace saobp::recipes
