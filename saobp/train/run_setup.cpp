#include "saobp/train/run_setup.h"

#include <ATen/Parallel.h>

#include "saobp/data/masking.h"
#include "saobp/train/distributed.h"
#include "saobp/train/run_folder.h"

namespace saobp::train {

PretrainOptions with_absolute_paths(PretrainOptions options) {
  for (auto* sources : {&options.corpus.corpus, &options.train.validation})
    for (auto& source : *sources) source = fs::absolute(source).string();
  if (!options.corpus.cache.empty()) options.corpus.cache = fs::absolute(options.corpus.cache).string();
  return options;
}

void find_texts(const PretrainOptions& options) {
  for (const auto& source : data::parse_sources(options.corpus)) data::find_files(source, options.corpus.exclude);
  if (options.train.validation.empty()) return;
  for (const auto& source : data::parse_sources(validation_corpus(options)))
    data::find_files(source, options.corpus.exclude);
}

void refuse_ranks() {
  if (const int64_t ranks = launch_from_environment().world_size; ranks > 1)
    fail("pretrain was started as one of ", ranks, " ranks (WORLD_SIZE); it trains in one process");
}

void set_threads(const PretrainOptions& options) {
  if (options.train.threads > 0) at::set_num_threads(static_cast<int>(options.train.threads));
}

VocabularyFacts vocabulary_facts(const ModelOptions& options, const text::Tokenizer& tokenizer) {
  if (family_of(options) == model::Family::bert) return {tokenizer.vocab_size(), data::TokenRoles(tokenizer).pad, {}};
  return {tokenizer.vocab_size(), 0, tokenizer.special().eos};
}

std::string description_of(const data::Corpus& corpus) {
  uint64_t files = 0;
  bool cached = true;
  for (const auto& source : corpus.sources()) files += source.files, cached = cached && source.cached;
  return concat(corpus.tokens(), " tokens, ", corpus.documents(), " documents, ", files, " files",
                cached ? " (from the cache)" : "");
}

}  // namespace saobp::train
