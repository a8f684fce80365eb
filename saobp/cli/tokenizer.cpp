#include "saobp/cli/tokenizer.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <span>
#include <thread>

#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/io/json.h"
#include "saobp/io/npy.h"
#include "saobp/text/batch.h"
#include "saobp/text/tokenizer.h"

namespace saobp::cli {
namespace {

using io::Json;

struct EncodeOptions {
  std::string tokenizer, input, output;
  std::optional<std::string> text;
  int threads = 0;
  bool json = false;
};

std::string read_input(const std::string& path) {
  std::string text;
  if (path == "-") text.assign(std::istreambuf_iterator<char>(std::cin), {});
  else text = io::read_file(path);
  io::require_utf8(text, path == "-" ? "standard input" : path);
  return text;
}

void print_line(const text::Tokenizer& tokenizer, std::span<const int32_t> ids, bool with_tokens) {
  std::string line;
  for (int32_t id : ids) line += (line.empty() ? "" : " ") + std::to_string(id);
  if (with_tokens && !ids.empty()) line += "\n";
  for (size_t i = 0; with_tokens && i < ids.size(); ++i) line += (i ? " " : "") + tokenizer.token(ids[i]);
  std::cout << line << '\n';
}

void encode_file(const text::Tokenizer& tokenizer, const EncodeOptions& o) {
  const std::string input = read_input(o.input);
  int threads = o.threads > 0 ? o.threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  auto start = std::chrono::steady_clock::now();
  text::EncodedLines lines = text::encode_lines(tokenizer, input, threads);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  double mb = static_cast<double>(input.size()) / 1e6;
  if (!o.output.empty())
    io::write_npy(o.output, "<i4", {static_cast<int64_t>(lines.ids.size())}, std::as_bytes(std::span(lines.ids)));
  if (o.json) {
    Json result = {{"mb_per_s", seconds > 0 ? mb / seconds : 0.0}, {"mb", mb}, {"seconds", seconds},
                   {"tokens", lines.ids.size()}, {"lines", lines.ends.size()}, {"threads", threads},
                   {"kind", tokenizer.kind()}, {"vocab_size", tokenizer.vocab_size()}};
    std::cout << result.dump() << std::endl;
  } else if (o.output.empty()) {
    int64_t begin = 0;
    for (int64_t end : lines.ends) {
      print_line(tokenizer, std::span(lines.ids).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)),
                 false);
      begin = end;
    }
  } else {
    std::cout << o.output << ": " << lines.ids.size() << " tokens of " << lines.ends.size() << " lines, "
              << mb / seconds << " MB/s\n";
  }
}

void encode(const EncodeOptions& o) {
  if (o.text.has_value() == !o.input.empty()) fail_usage("tokenizer encode: give either --input or --text");
  auto tokenizer = text::load_tokenizer(o.tokenizer);
  if (!o.text) return encode_file(*tokenizer, o);
  io::require_utf8(*o.text, "--text");
  auto ids = tokenizer->encode(*o.text);
  if (!o.output.empty())
    io::write_npy(o.output, "<i4", {static_cast<int64_t>(ids.size())}, std::as_bytes(std::span(ids)));
  if (o.json) {
    Json tokens = Json::array();
    for (int32_t id : ids) tokens.push_back(tokenizer->token(id));
    std::cout << Json{{"ids", ids}, {"tokens", tokens}, {"kind", tokenizer->kind()}}.dump() << std::endl;
  } else {
    print_line(*tokenizer, ids, true);
  }
}

void add_encode(CLI::App& parent) {
  auto o = std::make_shared<EncodeOptions>();
  auto* command = parent.add_subcommand("encode", "text to ids, without special tokens; every line is a document");
  command->add_option("--tokenizer", o->tokenizer, "tokenizer.json, vocab.txt, vocab.json, or a folder with one")->required();
  command->add_option("--input", o->input, "UTF-8 text; - is standard input");
  command->add_option("--text", o->text, "encode this instead, and show its tokens");
  command->add_option("--output", o->output, "write all ids as one flat int32 array (.npy)");
  command->add_option("--threads", o->threads, "default: all cores");
  command->add_flag("--json", o->json, "the last line of standard output is a JSON object");
  command->callback([o] { encode(*o); });
}

}  // namespace

void add_tokenizer_command(CLI::App& app) {
  auto* tokenizer = app.add_subcommand("tokenizer", "make and use tokenizers (WordPiece, byte-level BPE)");
  tokenizer->require_subcommand(1);
  add_encode(*tokenizer);
}

}  // namespace saobp::cli
