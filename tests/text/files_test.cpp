// Loading: what is taken, what is refused and in which words.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/io/json.h"
#include "saobp/text/batch.h"
#include "saobp/text/parts.h"
#include "saobp/text/tokenizer.h"
#include "tests/tools.h"

namespace saobp::text {
namespace {

namespace fs = std::filesystem;
using io::Json;
using Ids = std::vector<int32_t>;

class Files : public testing::Test {
 protected:
  fs::path write(const std::string& name, const std::string& text) { return folder_.write(name, text); }
  // The message of the Error that loading `path` ends in, which must name the file and be one line.
  std::string refusal(const fs::path& path) {
    try {
      load_tokenizer(path);
    } catch (const Error& e) {
      std::string message = e.what();
      EXPECT_EQ(message.find(path.string()), 0u) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      return message;
    }
    ADD_FAILURE() << path << " was loaded";
    return "";
  }
  std::string refusal(const Json& json) { return refusal(write("tokenizer.json", json.dump())); }

  static Json wordpiece() {
    return Json::parse(R"({"added_tokens": [{"id": 1, "content": "[MASK]", "special": true, "normalized": false}],
      "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                     "strip_accents": null, "lowercase": true},
      "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": null,
      "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
      "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "[MASK]": 1, "a": 2, "##b": 3, "A": 4, "é": 5}}})");
  }
  static Json bpe() {
    return Json::parse(R"({"added_tokens": [], "normalizer": null, "decoder": {"type": "ByteLevel"},
      "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
      "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
      "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
                "end_of_word_suffix": "", "fuse_unk": false, "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3},
                "merges": ["a b"]}})");
  }
  tests::TempFolder folder_;
};

void expect_has(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST_F(Files, TokenizerJsonAndBack) {
  for (const Json& json : {wordpiece(), bpe()}) {
    auto t = load_tokenizer(write("tokenizer.json", json.dump()));
    auto again = load_tokenizer(write("again.json", t->to_json()));
    EXPECT_EQ(again->to_json(), t->to_json());
    EXPECT_STREQ(again->kind(), t->kind());
    for (const char* text : {"ab a[MASK]b Á é", "", "ab ab"}) EXPECT_EQ(again->encode(text), t->encode(text));
    EXPECT_EQ(load_tokenizer(folder_.path())->to_json(), t->to_json());  // the folder: its tokenizer.json
  }
}

TEST_F(Files, OldFilesDoNotNameTheModel) {
  Json json = wordpiece();
  json["model"].erase("type");
  EXPECT_STREQ(load_tokenizer(write("tokenizer.json", json.dump()))->kind(), "wordpiece");
  json = bpe();
  json["model"].erase("type");
  EXPECT_STREQ(load_tokenizer(write("tokenizer.json", json.dump()))->kind(), "bpe");
}

TEST_F(Files, AccentsFollowCaseUnlessGiven) {
  Json json = wordpiece();
  EXPECT_EQ(load_tokenizer(write("t.json", json.dump()))->encode("Á A é"), (Ids{2, 2, 0}));
  json["normalizer"]["lowercase"] = false;
  EXPECT_EQ(load_tokenizer(write("t.json", json.dump()))->encode("A é"), (Ids{4, 5}));
  json["normalizer"]["strip_accents"] = true;
  EXPECT_EQ(load_tokenizer(write("t.json", json.dump()))->encode("Á"), (Ids{4}));
}

TEST_F(Files, RefusesByNameWhatItDoesNotSupport) {
  auto with = [](Json json, const char* part, const char* type) {
    json[part] = {{"type", type}};
    return json;
  };
  std::string message = refusal(with(wordpiece(), "model", "Unigram"));
  expect_has(message, "no \"vocab\"");
  Json unigram = wordpiece();
  unigram["model"]["type"] = "Unigram";
  message = refusal(unigram);
  expect_has(message, "model \"Unigram\" is not supported");
  expect_has(message, "WordPiece or BPE");
  expect_has(refusal(with(wordpiece(), "normalizer", "NFKC")), "normalizer \"NFKC\" is not supported; BertNormalizer");
  expect_has(refusal(with(wordpiece(), "pre_tokenizer", "Whitespace")), "pre_tokenizer \"Whitespace\"");
  expect_has(refusal(with(wordpiece(), "post_processor", "Strange")), "post_processor \"Strange\"");
  expect_has(refusal(with(wordpiece(), "decoder", "CTC")), "decoder \"CTC\"");
  expect_has(refusal(with(bpe(), "normalizer", "NFC")), "normalizer \"NFC\"");
  expect_has(refusal(with(bpe(), "pre_tokenizer", "Metaspace")), "pre_tokenizer \"Metaspace\"");
  for (const auto& [key, value] : std::vector<std::pair<const char*, Json>>{{"byte_fallback", true},
                                                                            {"dropout", 0.1},
                                                                            {"end_of_word_suffix", "</w>"},
                                                                            {"continuing_subword_prefix", "##"}}) {
    Json json = bpe();
    json["model"][key] = value;
    expect_has(refusal(json), key);
  }
}

TEST_F(Files, RefusesDamagedFiles) {
  std::string text = wordpiece().dump(1);
  for (size_t size : {size_t{0}, size_t{1}, text.size() / 2, text.size() - 2})
    expect_has(refusal(write("tokenizer.json", text.substr(0, size))), "not valid JSON");
  expect_has(refusal(write("t.json", "[]")), "\"model\" is missing");
  Json json = wordpiece();
  json["model"]["vocab"]["a"] = 3;
  expect_has(refusal(json), "both have id 3");
  json["model"]["vocab"]["a"] = "x";
  expect_has(refusal(json), "\"a\"");
  json["model"]["vocab"]["a"] = -1;
  expect_has(refusal(json), "id -1");
  json["model"]["vocab"]["a"] = 4'000'000'000;
  expect_has(refusal(json), "4000000000");
  json["model"]["vocab"]["a"] = 60'000'000;  // ids take memory, with or without a token
  expect_has(refusal(json), "has id 60000000; an integer from 0 to 1048");
  json["model"]["vocab"]["a"] = 4'294'967'296 + 3;
  expect_has(refusal(json), "4294967299");
  json["model"]["vocab"] = Json::object();
  expect_has(refusal(json), "empty");
  json = wordpiece();
  json["model"]["vocab"].erase("[UNK]");
  expect_has(refusal(json), "[UNK]");
  json = wordpiece();
  json["added_tokens"][0]["id"] = 17;
  expect_has(refusal(json), "has id 17; 1 was expected");
  json["added_tokens"][0] = {{"id", 6}, {"content", "\u00AD"}, {"normalized", true}};
  expect_has(refusal(json), "is empty once normalised");
  json = bpe();
  json["model"]["merges"] = {"a b", "ab c"};
  expect_has(refusal(json), "merge 1 (\"ab c\") needs the token \"c\"");
  json["model"]["merges"] = {"ab"};
  expect_has(refusal(json), "merge 0");
  json = wordpiece();
  json["added_tokens"][0]["id"] = 4'294'967'296 + 1;
  expect_has(refusal(json), "\"id\" is 4294967297; an integer from");
}

TEST_F(Files, VocabTxtTakesSettingsFromTheConfigBeside) {
  fs::path path = write("vocab.txt", "[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\nA\r\né\r\n");
  EXPECT_EQ(load_tokenizer(path)->encode("A é [SEP]"), (Ids{3, 0, 2}));
  write("tokenizer_config.json", R"({"do_lower_case": false})");
  EXPECT_EQ(load_tokenizer(path)->encode("A é"), (Ids{4, 5}));
  EXPECT_EQ(load_tokenizer(folder_.path())->vocab_size(), 6);
  // Of equal lines the last counts, as in transformers; the other's id is that of no token.
  const auto twice = load_tokenizer(write("vocab.txt", "[UNK]\na\n\na\n\n"));
  EXPECT_EQ(twice->encode("a"), (Ids{3}));
  EXPECT_TRUE(twice->has_token(3) && !twice->has_token(1));
  EXPECT_EQ(twice->decode({3, 1, 3}, false), "a a");
  expect_has(refusal(write("vocab.txt", "[UNK]\na\xFF\n")), "line 2, byte offset 7");
}

TEST_F(Files, VocabJsonWantsItsMerges) {
  fs::path path = write("vocab.json", R"({"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3})");
  EXPECT_THROW(load_tokenizer(path), Error);
  write("merges.txt", "#version: 0.2\na b\n");
  EXPECT_EQ(load_tokenizer(path)->encode("ab<|endoftext|>b"), (Ids{2, 3, 1}));
  write("merges.txt", "a b c\n");
  EXPECT_THROW(load_tokenizer(path), Error);
}

TEST_F(Files, SaysWhatWasExpectedWhereThereIsNothing) {
  expect_has(refusal(folder_.path()), "there is no tokenizer here");
  expect_has(refusal(folder_ / "missing.json"), "no such file");
}

TEST_F(Files, LinesAreDocumentsAndThreadsDoNotMatter) {
  auto t = load_tokenizer(write("tokenizer.json", wordpiece().dump()));
  EncodedLines lines = encode_lines(*t, "a ab\n\nab\r\n", 1);
  EXPECT_EQ(lines.ids, (Ids{2, 2, 3, 2, 3}));
  EXPECT_EQ(lines.ends, (std::vector<int64_t>{3, 3, 5}));
  EXPECT_EQ(encode_lines(*t, "a\nab", 1).ends, (std::vector<int64_t>{1, 3}));
  EXPECT_TRUE(encode_lines(*t, "", 4).ends.empty());
  std::string text;
  for (int i = 0; i < 60'000; ++i) text += std::string(static_cast<size_t>(i % 7), 'a') + " ab é\n";
  EncodedLines one = encode_lines(*t, text, 1), three = encode_lines(*t, text, 3);
  EXPECT_EQ(one.ids, three.ids);
  EXPECT_EQ(one.ends, three.ends);
  EXPECT_EQ(one.ends.size(), 60'000u);
  std::vector<std::string> documents;
  for_each_line(text, [&](std::string_view line) { documents.emplace_back(line); });
  for (int threads : {1, 3}) {
    const EncodedLines same = encode_documents(*t, documents, threads);
    EXPECT_EQ(same.ids, one.ids);
    EXPECT_EQ(same.ends, one.ends);
  }
  EXPECT_EQ(encode_documents(*t, {"a\nab", ""}, 2).ends, (std::vector<int64_t>{3, 3}));
  EXPECT_TRUE(encode_documents(*t, {}, 2).ends.empty());
  text[text.size() / 2] = '\xFF';
  EXPECT_THROW(encode_lines(*t, text, 3), Error);
}

}  // namespace
}  // namespace saobp::text
