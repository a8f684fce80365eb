// saobp tokenizer encode
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <thread>

#include "saobp/cli/console.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/outputs.h"
#include "saobp/cli/tokenizer_parts.h"
#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/io/json.h"
#include "saobp/io/npy.h"
#include "saobp/io/paths.h"
#include "saobp/io/words.h"
#include "saobp/text/batch.h"
#include "saobp/text/encoding.h"
#include "saobp/text/tokenizer.h"

namespace saobp::cli {

void add_threads(CLI::App& command, int64_t& threads) {
  FieldsToFlags{command}("threads", threads, "threads; 0: one a core", io::between(0, 1024));
}

int thread_count(int64_t threads) {
  return static_cast<int>(threads > 0 ? threads : std::max(1u, std::thread::hardware_concurrency()));
}

void each_piece(const data::TextInput& input, const std::string& text_field,
                const std::function<void(std::string&)>& lines, const std::function<void(std::string_view)>& document) {
  input.each_block([&](data::TextBlock& block) {
    if (block.end == data::DocumentEnd::line && block.parts.empty()) {
      // `tokenizers` takes a byte-order mark like any other character, which the reader has left out.
      if (block.start.line == 1 && block.start.offset > 0) block.text.insert(0, "\xEF\xBB\xBF");
      lines(block.text);
    } else {
      data::each_text(block, text_field, document);
    }
  });
}

namespace {

using io::Json;

struct EncodeOptions {
  std::string tokenizer, input, output, offsets, text_field = "text";
  std::optional<std::string> text, pair;
  int64_t threads = 0;
  text::RowOptions row{.special_tokens = false};
  Console console;
};

std::string join(std::span<const int32_t> ids) {
  std::string line;
  for (int32_t id : ids) line += (line.empty() ? "" : " ") + std::to_string(id);
  return line;
}

void write_ids(const std::string& path, const std::vector<int32_t>& ids) {
  io::write_npy(path, "<i4", {static_cast<int64_t>(ids.size())}, std::as_bytes(std::span(ids)));
}

// "offsets" count code points of the token's own text.
Json to_json(const text::Encoding& row, const text::Tokenizer& tokenizer) {
  Json tokens = Json::array(), offsets = Json::array();
  for (int32_t id : row.ids) tokens.push_back(tokenizer.token(id));
  for (const auto& span : row.characters) offsets.push_back({span.begin, span.end});
  return {{"ids", row.ids}, {"type_ids", row.types}, {"tokens", tokens}, {"offsets", offsets}};
}

void encode_text(const text::Tokenizer& tokenizer, EncodeOptions& o) {
  io::require_utf8(*o.text, "--text");
  if (o.pair) io::require_utf8(*o.pair, "--pair");
  const auto rows = text::encode_rows(tokenizer, *o.text, o.pair, o.row);
  std::vector<int32_t> ids;  // of all windows
  for (const auto& row : rows) ids.insert(ids.end(), row.ids.begin(), row.ids.end());
  if (!o.output.empty()) write_ids(o.output, ids);
  Json windows = Json::array();
  for (const auto& row : rows) {
    std::string line;
    for (int32_t id : row.ids) line += (line.empty() ? "" : " ") + tokenizer.token(id);
    o.console.line(join(row.ids) + "\n" + line);
    windows.push_back(to_json(row, tokenizer));
  }
  auto result = windows[0];
  if (rows.size() > 1) result["windows"] = windows;
  result["kind"] = tokenizer.kind();
  o.console.result(result);
}

// Encodes what has gathered, some megabytes at a time.
class FileEncoder {
 public:
  FileEncoder(const text::Tokenizer& tokenizer, int threads, bool spans)
      : tokenizer_(tokenizer), threads_(threads), spans_(spans) {}

  void add_lines(const std::string& text) {
    if (!documents_.empty()) flush();
    if (!lines_.empty() && lines_.back() != '\n') lines_ += '\n';  // another file begins
    lines_ += text;
    if (lines_.size() >= kEnough) flush();
  }
  void add_document(std::string_view text) {
    if (!lines_.empty()) flush();
    documents_.emplace_back(text);
    gathered_ += text.size();
    if (gathered_ >= kEnough) flush();
  }
  void flush() {
    const auto start = std::chrono::steady_clock::now();
    const auto made = documents_.empty() ? text::encode_lines(tokenizer_, lines_, threads_, spans_)
                                         : text::encode_documents(tokenizer_, documents_, threads_, spans_);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    mb += static_cast<double>(lines_.size() + gathered_) / 1e6;
    const auto before = static_cast<int64_t>(all.ids.size());
    all.ids.insert(all.ids.end(), made.ids.begin(), made.ids.end());
    all.spans.insert(all.spans.end(), made.spans.begin(), made.spans.end());
    for (int64_t end : made.ends) all.ends.push_back(before + end);
    lines_.clear(), documents_.clear(), gathered_ = 0;
  }

  text::EncodedLines all;
  double mb = 0, seconds = 0;

 private:
  static constexpr size_t kEnough = size_t{64} << 20;
  const text::Tokenizer& tokenizer_;
  int threads_;
  bool spans_;
  std::string lines_;  // or documents, never both
  std::vector<std::string> documents_;
  size_t gathered_ = 0;
};

void encode_file(const text::Tokenizer& tokenizer, const data::TextInput& input, EncodeOptions& o) {
  const int threads = thread_count(o.threads);
  FileEncoder encoder(tokenizer, threads, !o.offsets.empty());
  each_piece(
      input, o.text_field, [&](std::string& text) { encoder.add_lines(text); },
      [&](std::string_view document) { encoder.add_document(document); });
  encoder.flush();
  const text::EncodedLines& lines = encoder.all;
  const double seconds = encoder.seconds, mb = encoder.mb, rate = seconds > 0 ? mb / seconds : 0;

  if (o.output.empty() && o.offsets.empty() && !o.console.json()) {
    int64_t begin = 0;
    for (int64_t end : lines.ends) {
      o.console.line(join({lines.ids.data() + begin, lines.ids.data() + end}));
      begin = end;
    }
    return;
  }
  if (!o.output.empty()) write_ids(o.output, lines.ids);
  if (!o.offsets.empty())
    io::write_npy(o.offsets, "<u4", {static_cast<int64_t>(lines.spans.size()), 2},
                  std::as_bytes(std::span(lines.spans)));
  o.console.line(concat(input.name(), ": ", io::counted(lines.ends.size(), "line"), ", ", io::size_in_words(1e6 * mb),
                        ", ", io::counted(lines.ids.size(), "token"), ", ", io::in_short(rate), " MB/s with ",
                        io::counted(threads, "thread")));
  o.console.result({{"mb_per_s", rate},
                    {"mb", mb},
                    {"seconds", seconds},
                    {"tokens", lines.ids.size()},
                    {"lines", lines.ends.size()},
                    {"threads", threads},
                    {"kind", tokenizer.kind()},
                    {"vocab_size", tokenizer.vocab_size()}});
}

void encode(EncodeOptions& o) {
  if (o.text.has_value() == !o.input.empty()) fail_usage("tokenizer encode: one of --input and --text is needed");
  std::optional<data::TextInput> input;
  if (!o.text) input.emplace(o.input, "--input", o.text_field, data::NulBytes::accepted);
  if (!o.text && (o.pair || o.row.special_tokens || o.row.max_length > 0))
    fail_usage(o.pair                 ? "--pair"
               : o.row.special_tokens ? "--special-tokens"
                                      : "--max-length",
               ": goes with --text; an --input is encoded without special tokens, whole");
  if (!o.offsets.empty() && !o.output.empty() && io::same_file(o.offsets, o.output))
    fail_usage("--offsets ", o.offsets, ": --output is written there; another file was expected");
  if (o.row.max_length == 0 && o.row.truncation != text::Truncation::longest_first)
    fail_usage("--truncation: goes with --max-length");
  if (o.row.stride > 0 && o.row.max_length == 0) fail_usage("--stride: goes with --max-length, which makes windows");
  prepare_output(o.output, "--output", files_of(o.tokenizer) + (input ? input->files() : Paths()));
  if (!o.offsets.empty() && o.text) fail_usage("--offsets: goes with --input; --json shows those of a --text");
  prepare_output(o.offsets, "--offsets", files_of(o.tokenizer) + (input ? input->files() : Paths()));
  auto tokenizer = text::load_tokenizer(o.tokenizer);
  o.text ? encode_text(*tokenizer, o) : encode_file(*tokenizer, *input, o);
}

}  // namespace

void add_tokenizer_encode(CLI::App& parent) {
  auto o = std::make_shared<EncodeOptions>();
  auto* command = parent.add_subcommand("encode", "Text to ids; a line, JSON line or row of --input is a document");
  command->add_option("--tokenizer", o->tokenizer, kTokenizerHelp)->required()->type_name("FILE");
  command->add_option("--input", o->input, kInputHelp)->type_name("FILE");
  FieldsToFlags{*command}("text_field", o->text_field, kTextFieldHelp);
  command->add_option("--text", o->text, "encode this text instead, and show its tokens")->type_name("TEXT");
  command->add_option("--pair", o->pair, "a second text: both make one row")->type_name("TEXT");
  command->add_flag("--special-tokens", o->row.special_tokens,
                    "put special tokens around the text or pair, as the tokenizer's post-processor says");
  FieldsToFlags rows{*command};
  rows("max_length", o->row.max_length,
       "tokens of a row, special ones included; what is left out makes further windows; 0: any number",
       io::at_least(0));
  rows("truncation", o->row.truncation, "longest_first, only_first or only_second: which text of a pair is cut");
  rows("stride", o->row.stride, "tokens that a window shares with the one before", io::at_least(0));
  command->add_option("--output", o->output, "write all ids, those of every window, as one flat int32 array")
      ->type_name("FILE.npy");
  command
      ->add_option("--offsets", o->offsets,
                   "write where each token begins and ends in its document, in code points, uint32 [tokens, 2]")
      ->type_name("FILE.npy");
  add_threads(*command, o->threads);
  o->console.add_flag(*command);
  add_example(*command,
              "Examples:\n  saobp tokenizer encode --tokenizer runs/words --text \"the red key\"\n  saobp "
              "tokenizer encode --tokenizer runs/words --input a.txt --output ids.npy");
  command->callback([o] { encode(*o); });
}

}  // namespace saobp::cli
