#include "saobp/recipes/text_checks.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "saobp/io/hash.h"
#include "saobp/train/wording.h"

namespace saobp::recipes {
namespace {

std::string percent(double share) { return train::format("%.3g %%", 100 * share); }

uint64_t unknown_in(const data::Corpus::Source& source, int32_t unknown) {
  const auto ids = source.tokens.ids();
  return static_cast<uint64_t>(std::count(ids.begin(), ids.end(), unknown));
}

uint64_t hash_of(data::Document document) {
  io::Hash64 hash;
  hash.add(document.data(), document.size_bytes());
  return hash.value();
}

template <class Visit>
void each_document(const data::Corpus& corpus, Visit&& visit) {
  for (const auto& source : corpus.sources())
    for (uint64_t i = 0; i < source.tokens.documents(); ++i) visit(source.tokens.document(i));
}

}  // namespace

std::string unknown_share(const data::Corpus& corpus, const text::Tokenizer& tokenizer) {
  const auto unknown = tokenizer.special().unk;
  if (!unknown) return "";
  uint64_t count = 0;
  for (const auto& source : corpus.sources()) count += unknown_in(source, *unknown);
  return concat(", ", percent(static_cast<double>(count) / static_cast<double>(corpus.tokens())), " ",
                tokenizer.token(*unknown));
}

void check_unknown(const data::Corpus& corpus, const text::Tokenizer& tokenizer, const char* flag,
                   const train::Reporter& reporter) {
  const auto unknown = tokenizer.special().unk;
  if (!unknown) return;
  for (const auto& source : corpus.sources()) {
    const double share =
        static_cast<double>(unknown_in(source, *unknown)) / static_cast<double>(source.tokens.tokens());
    const auto what = concat(flag, " ", source.name, ": ", percent(share), " of its tokens are ",
                             tokenizer.token(*unknown), ", which teach nothing");
    if (share > kUnknownShareToRefuse)
      fail(what, "; at most ", percent(kUnknownShareToRefuse), " were expected: is this tokenizer made for that text?");
    if (share > kUnknownShareToSay) reporter.note("warning", what, ": is this tokenizer made for that text?");
  }
}

void require_predictions(const data::ValidationRows& rows) {
  for (uint64_t row = 0; row < rows.rows(); ++row)
    if (!rows.batch(row, 1).positions.empty()) return;
  fail("the validation text has no token that could be predicted: its ", rows.rows(),
       rows.rows() == 1 ? " row holds" : " rows hold", " special tokens only");
}

void check_overlap(const data::Corpus& validation, const data::Corpus& corpus, const train::Reporter& reporter) {
  std::unordered_map<uint64_t, uint64_t> tokens_of;  // of the validation documents with a hash
  std::unordered_set<size_t> lengths;                // most documents of a large corpus are of no interest by these
  each_document(validation, [&](data::Document document) {
    tokens_of[hash_of(document)] += document.size();
    lengths.insert(document.size());
  });
  uint64_t shared = 0;
  each_document(corpus, [&](data::Document document) {
    if (!lengths.contains(document.size())) return;
    const auto found = tokens_of.find(hash_of(document));
    if (found == tokens_of.end()) return;
    shared += found->second;
    tokens_of.erase(found);
  });
  const double share = static_cast<double>(shared) / static_cast<double>(validation.tokens());
  if (share > kSharedToSay)
    reporter.note("warning", "--validation: ", percent(share),
                  " of its tokens are in documents that --corpus has too: its loss does not show what the model "
                  "makes of text that it has not seen");
}

}  // namespace saobp::recipes
