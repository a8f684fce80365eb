#include "saobp/recipes/run_setup.h"

#include "saobp/data/masking.h"
#include "saobp/recipes/recipe.h"

namespace saobp::recipes {

PretrainOptions with_absolute_paths(PretrainOptions options) {
  for (auto* sources : {&options.corpus.corpus, &options.train.validation})
    for (auto& source : *sources) source = fs::absolute(source).string();
  if (!options.model.from.empty()) options.model.from = folder_name(fs::absolute(options.model.from)).string();
  if (!options.corpus.cache.empty()) options.corpus.cache = fs::absolute(options.corpus.cache).string();
  return options;
}

void find_texts(const PretrainOptions& options) {
  for (const auto& source : data::parse_sources(options.corpus)) data::find_files(source, options.corpus.exclude);
  if (options.train.validation.empty()) return;
  for (const auto& source : data::parse_sources(validation_corpus(options)))
    data::find_files(source, options.corpus.exclude);
}

VocabularyFacts vocabulary_facts(const ModelOptions& options, const text::Tokenizer& tokenizer) {
  if (family_of(options).causal) return {tokenizer.vocab_size(), 0, 0, 0, tokenizer.special().end_of_text()};
  const data::TokenRoles roles(tokenizer);
  return {tokenizer.vocab_size(), roles.pad, roles.cls, roles.sep, {}};
}

}  // namespace saobp::recipes
