// Real text with a real vocabulary, where it is at hand: nothing may get lost between the file and the rows.
#include <gtest/gtest.h>

#include <algorithm>

#include "fake_tokenizer.h"
#include "saobp/data/rows.h"

namespace saobp::data {
namespace {

using Ids = std::vector<int32_t>;

class RealCorpus : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* needed : {"tokenizers/bert-base-uncased/vocab.txt", "corpus/wikitext-2/wiki.valid.tokens",
                               "corpus/novels/Barclay_Ladies_1917.txt"})
      if (!fs::exists(data_ / needed)) GTEST_SKIP() << (data_ / needed) << " is not there";
    tokenizer_ = text::load_tokenizer(data_ / "tokenizers/bert-base-uncased/vocab.txt");
  }
  Corpus corpus(const std::string& source) {
    CorpusOptions options;
    options.corpus = {(data_ / "corpus" / source).string()};
    options.exclude = {"SOURCE.txt"};
    options.cache = folder_ / "cache";
    return Corpus(options, *tokenizer_);
  }
  static Ids joined(const TokenCache& tokens) {
    Ids ids;
    for (uint64_t i = 0; i < tokens.documents(); ++i)
      ids.insert(ids.end(), tokens.document(i).begin(), tokens.document(i).end());
    return ids;
  }
  const fs::path data_ = "../shared/data";
  TempFolder folder_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
};

// For WordPiece line ends, blank lines and the byte-order mark are nothing, so a file's documents joined are the file.
TEST_F(RealCorpus, DocumentsJoinedAreTheFile) {
  for (const std::string name : {"wikitext-2/wiki.valid.tokens", "novels/Barclay_Ladies_1917.txt"}) {
    const Ids whole = tokenizer_->encode(io::read_file(data_ / "corpus" / name));
    auto blank = corpus(name), file = corpus(name + ":file");
    EXPECT_EQ(joined(blank.sources()[0].tokens), whole) << name;
    EXPECT_EQ(joined(file.sources()[0].tokens), whole) << name;
    EXPECT_EQ(file.documents(), 1u);
    EXPECT_GT(blank.documents(), 1000u);
  }
}

TEST_F(RealCorpus, ValidationRowsHoldTheText) {
  auto text = corpus("wikitext-2/wiki.valid.tokens");
  TokenRoles roles(*tokenizer_);
  ValidationRows rows(text, *tokenizer_, {.length = 128});
  Batch batch = rows.batch(0, static_cast<int64_t>(rows.rows()));
  const double masked = static_cast<double>(batch.positions.size());
  for (size_t i = 0; i < batch.positions.size(); ++i) batch.input_ids[batch.positions[i]] = batch.targets[i];
  Ids ids;
  for (int64_t id : batch.input_ids)
    if (id != roles.cls && id != roles.sep && id != roles.pad) ids.push_back(static_cast<int32_t>(id));
  EXPECT_EQ(ids, joined(text.sources()[0].tokens));
  EXPECT_NEAR(masked / static_cast<double>(ids.size()), 0.15, 5 * std::sqrt(0.15 * 0.85 / ids.size()));
}

TEST_F(RealCorpus, EveryNovelIsOneDocument) {
  const auto folder = data_ / "corpus/novels";
  const auto files = std::count_if(fs::directory_iterator(folder), fs::directory_iterator(), [](const auto& entry) {
    return entry.path().filename().string().starts_with("B") && entry.path().extension() == ".txt";
  });
  auto text = corpus("novels/B*.txt:file");
  EXPECT_EQ(text.documents(), static_cast<uint64_t>(files));
  TrainingRows rows(text, *tokenizer_, {.length = 128}, 1);
  EXPECT_EQ(rows.rows_per_epoch(), (text.tokens() + text.documents() - 1) / 126);
}

}  // namespace
}  // namespace saobp::data
