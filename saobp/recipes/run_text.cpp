#include "saobp/recipes/run_text.h"

#include "saobp/recipes/text_checks.h"
#include "saobp/train/interrupt.h"

namespace saobp::recipes {
namespace {

// The ranks' word to each other while rank 0 tokenises, so that the others wait as long as that takes. True when it is
// done.
bool first_rank_is_done(const train::World& world, bool done) {
  const auto sums = world.sum({done ? 1.0 : 0.0, train::InterruptGuard::interrupted() ? 1.0 : 0.0});
  if (sums[1] > 0) throw train::Interrupted();
  return sums[0] > 0;
}

data::Corpus open_corpus(const data::CorpusOptions& options, const text::Tokenizer& tokenizer, int64_t threads,
                         const train::World& world, const train::Reporter& reporter) {
  const auto tell = [&](const data::CorpusProgress& p) {
    if (world.is_first()) first_rank_is_done(world, false);
    reporter.tell(
        train::Working{concat("tokenising ", p.source),
                       p.total_bytes ? static_cast<double>(p.bytes) / static_cast<double>(p.total_bytes) : 1});
  };
  while (!world.is_first() && !first_rank_is_done(world, false)) {
  }
  data::Corpus corpus(options, tokenizer, tell, static_cast<int>(threads));
  if (world.is_first()) first_rank_is_done(world, true);
  for (const auto& source : corpus.sources())
    if (!source.damage.empty())
      reporter.note("cache", source.tokens.path().string(), ": ", source.damage, "; the text was tokenised again");
  return corpus;
}

std::vector<std::string> caches_of(const data::Corpus& corpus) {
  std::vector<std::string> names;
  for (const auto& source : corpus.sources()) names.push_back(source.tokens.path().filename());
  return names;
}

std::string description_of(const data::Corpus& corpus, const text::Tokenizer& tokenizer) {
  uint64_t files = 0;
  bool cached = true;
  for (const auto& source : corpus.sources()) files += source.files, cached = cached && source.cached;
  return concat(io::counted(corpus.tokens(), "token"), unknown_share(corpus, tokenizer), ", ",
                io::counted(corpus.documents(), "document"), ", ", io::counted(files, "file"),
                cached ? " (from the cache)" : "");
}

}  // namespace

RunText::RunText(const PretrainOptions& options, const text::Tokenizer& tokenizer, bool causal,
                 const train::World& world, const train::Reporter& reporter) {
  const auto& t = options.train;
  const data::RowFormat format = {.length = t.length,
                                  .pack = options.corpus.pack,
                                  .masking = causal ? std::nullopt : std::optional(options.masking)};
  const auto open = [&](const data::CorpusOptions& corpus) {
    return open_corpus(corpus, tokenizer, t.threads, world, reporter);
  };
  const auto limit = static_cast<uint64_t>(t.validation_rows);
  corpus_.emplace(open(options.corpus));
  about_corpus_ = description_of(*corpus_, tokenizer);
  check_unknown(*corpus_, tokenizer, "--corpus", reporter);
  training_.emplace(*corpus_, tokenizer, format, static_cast<uint64_t>(t.seed));
  if (!t.validation.empty()) {
    validation_corpus_.emplace(open(validation_corpus(options)));
    about_validation_ = description_of(*validation_corpus_, tokenizer);
    check_unknown(*validation_corpus_, tokenizer, "--validation", reporter);
    check_overlap(*validation_corpus_, *corpus_, reporter);
    validation_.emplace(*validation_corpus_, tokenizer, format, data::Part::all, limit);
  } else if (options.corpus.holdout > 0) {
    validation_.emplace(*corpus_, tokenizer, format, data::Part::held_out, limit);
    part_ = concat("held out: ", options.corpus.holdout, ", seed ", options.corpus.holdout_seed);
  }
  if (validation_) require_predictions(*validation_);
  if (validation_ && limit > 0) part_ += concat(part_.empty() ? "" : ", ", "first ", limit, " rows");
}

std::vector<std::string> RunText::keys() const { return caches_of(*corpus_); }

std::vector<std::string> RunText::validation_keys() const {
  if (!validation_) return {};
  auto keys = caches_of(validation_corpus_ ? *validation_corpus_ : *corpus_);
  if (!part_.empty()) keys.push_back(part_);
  return keys;
}

void RunText::announce(const train::Reporter& reporter) const {
  reporter.note("corpus", about_corpus_, ", ", io::counted(training_->rows_per_epoch(), "row"), " of ",
                training_->length());
  if (validation_)
    reporter.note(
        "validation",
        validation_corpus_ ? about_validation_ : concat(io::counted(validation_->documents(), "document"), " held out"),
        ", ", io::counted(validation_->rows(), "row"));
}

}  // namespace saobp::recipes
