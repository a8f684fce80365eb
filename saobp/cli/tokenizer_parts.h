// What the verbs of `saobp tokenizer` share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "saobp/data/text_input.h"

namespace saobp::cli {

inline constexpr const char* kTokenizerHelp =
    "tokenizer.json, vocab.txt, vocab.json (merges.txt beside it), or a folder with one";

inline constexpr const char* kInputHelp =
    "text, JSON lines or Parquet, as in pretrain --corpus: a file, folder or glob; - is standard input";

void add_threads(CLI::App& command, int64_t& threads);
// What --threads means.
int thread_count(int64_t threads);

// Calls `lines` with plain text as it stands, in pieces of whole lines each of which is a document, and `document` with
// each document of JSON lines and tables.
void each_piece(const data::TextInput& input, const std::string& text_field,
                const std::function<void(std::string&)>& lines, const std::function<void(std::string_view)>& document);

void add_tokenizer_encode(CLI::App& tokenizer);

}  // namespace saobp::cli
