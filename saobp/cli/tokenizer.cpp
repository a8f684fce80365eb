// saobp tokenizer train | encode | decode | convert
#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <thread>

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/flags.h"
#include "saobp/data/corpus_options.h"
#include "saobp/data/json_lines.h"
#include "saobp/data/text_blocks.h"
#include "saobp/data/text_file.h"
#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/io/json.h"
#include "saobp/io/npy.h"
#include "saobp/text/batch.h"
#include "saobp/text/tokenizer.h"
#include "saobp/text/trainer.h"

namespace saobp::cli {
namespace {

using io::Json;

constexpr const char* kTokenizerHelp =
    "tokenizer.json, vocab.txt, vocab.json (merges.txt beside it), or a folder with one";

std::string read_input(const std::string& path) {
  if (path != "-") return io::read_file(path);
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

constexpr const char* kThreadsHelp = "0: all cores";

int thread_count(int threads) {
  if (threads < 0) fail_usage("--threads is ", threads, "; at least 1 was expected (0: all cores)");
  return threads > 0 ? threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

std::string name_of(const std::string& path) { return path == "-" ? "standard input" : path; }

// encode ----------------------------------------------------------------------------------------------------------

struct EncodeOptions {
  std::string tokenizer, input, output;
  std::optional<std::string> text;
  int threads = 0;
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

void encode_text(const text::Tokenizer& tokenizer, EncodeOptions& o) {
  io::require_utf8(*o.text, "--text");
  const std::vector<int32_t> ids = tokenizer.encode(*o.text);
  if (!o.output.empty()) write_ids(o.output, ids);
  Json tokens = Json::array();
  std::string line;
  for (int32_t id : ids) {
    tokens.push_back(tokenizer.token(id));
    line += (line.empty() ? "" : " ") + tokenizer.token(id);
  }
  o.console.line(join(ids) + "\n" + line);
  o.console.result({{"ids", ids}, {"tokens", tokens}, {"kind", tokenizer.kind()}});
}

void encode_file(const text::Tokenizer& tokenizer, EncodeOptions& o) {
  const std::string input = read_input(o.input);
  io::require_utf8(input, name_of(o.input));
  o.threads = thread_count(o.threads);
  auto start = std::chrono::steady_clock::now();
  const text::EncodedLines lines = text::encode_lines(tokenizer, input, o.threads);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  double mb = static_cast<double>(input.size()) / 1e6, rate = seconds > 0 ? mb / seconds : 0;

  if (o.output.empty() && !o.console.json()) {
    int64_t begin = 0;
    for (int64_t end : lines.ends) {
      o.console.line(join({lines.ids.data() + begin, lines.ids.data() + end}));
      begin = end;
    }
    return;
  }
  if (!o.output.empty()) write_ids(o.output, lines.ids);
  o.console.line(concat(name_of(o.input), ": ", lines.ends.size(), " lines, ", mb, " MB, ", lines.ids.size(),
                        " tokens, ", rate, " MB/s with ", o.threads, o.threads == 1 ? " thread" : " threads"));
  o.console.result({{"mb_per_s", rate},
                    {"mb", mb},
                    {"seconds", seconds},
                    {"tokens", lines.ids.size()},
                    {"lines", lines.ends.size()},
                    {"threads", o.threads},
                    {"kind", tokenizer.kind()},
                    {"vocab_size", tokenizer.vocab_size()}});
}

void encode(EncodeOptions& o) {
  if (o.text.has_value() == !o.input.empty()) fail_usage("tokenizer encode: one of --input and --text is needed");
  auto tokenizer = text::load_tokenizer(o.tokenizer);
  o.text ? encode_text(*tokenizer, o) : encode_file(*tokenizer, o);
}

void add_encode(CLI::App& parent) {
  auto o = std::make_shared<EncodeOptions>();
  auto* command = parent.add_subcommand("encode", "Text to ids, without special tokens; every line is a document");
  command->add_option("--tokenizer", o->tokenizer, kTokenizerHelp)->required();
  command->add_option("--input", o->input, "UTF-8 text; - is standard input");
  command->add_option("--text", o->text, "encode this text instead, and show its tokens");
  command->add_option("--output", o->output, "write all ids as one flat int32 array (.npy)");
  command->add_option("--threads", o->threads, kThreadsHelp)->capture_default_str();
  o->console.add_flag(*command);
  command->callback([o] { encode(*o); });
}

// decode ----------------------------------------------------------------------------------------------------------

struct DecodeOptions {
  std::string tokenizer, input;
  std::vector<int32_t> ids;
  bool skip_special = false;
  Console console;
};

// A flat array of little-endian int32 or int64, as `encode --output` and numpy.save write it.
std::vector<int32_t> parse_npy(const std::string& bytes, const std::string& source) {
  auto size_at = [&](size_t at, size_t length) {
    size_t value = 0;
    if (bytes.size() >= at + length) std::memcpy(&value, bytes.data() + at, length);
    return value;
  };
  bool first_version = bytes.size() > 6 && bytes[6] == 1;
  size_t prefix = first_version ? 10 : 12, data = prefix + size_at(8, first_version ? 2 : 4);
  if (data > bytes.size()) fail(source, ": truncated: its header ends at byte ", data, ", the file at ", bytes.size());
  const std::string header = bytes.substr(prefix, data - prefix);
  auto has = [&](const char* text) { return header.find(text) != std::string::npos; };
  size_t width = has("'<i4'") ? 4 : has("'<i8'") ? 8 : 0;
  if (width == 0) fail(source, ": its element type is not <i4 or <i8 (int32, int64)");
  if ((bytes.size() - data) % width != 0) fail(source, ": truncated: ", bytes.size() - data, " bytes of data");
  std::vector<int32_t> ids;
  for (size_t at = data; at < bytes.size(); at += width) {
    int64_t id = 0;
    if (width == 8)
      std::memcpy(&id, bytes.data() + at, 8);
    else
      id = static_cast<int32_t>(size_at(at, 4));
    if (id < 0 || id > INT32_MAX) fail(source, ": ", id, " is not an id");
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

// Each line of numbers is a document; an .npy file is one.
std::vector<std::vector<int32_t>> read_ids(const std::string& path) {
  const std::string bytes = read_input(path), source = name_of(path);
  if (bytes.starts_with("\x93NUMPY")) return {parse_npy(bytes, source)};
  std::vector<std::vector<int32_t>> documents;
  std::istringstream lines(bytes);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream numbers(line);
    std::vector<int32_t> ids{std::istream_iterator<int32_t>(numbers), {}};
    if (!numbers.eof()) fail(source, ": line ", documents.size() + 1, ": ids with spaces between were expected");
    documents.push_back(std::move(ids));
  }
  return documents;
}

void decode(DecodeOptions& o) {
  if (o.ids.empty() == o.input.empty()) fail_usage("tokenizer decode: ids or --input is needed, and not both");
  auto tokenizer = text::load_tokenizer(o.tokenizer);
  Json texts = Json::array();
  const auto documents = o.input.empty() ? std::vector<std::vector<int32_t>>{o.ids} : read_ids(o.input);
  for (const auto& ids : documents) {
    std::string text = tokenizer->decode(ids, o.skip_special);
    o.console.line(text);
    texts.push_back(std::move(text));
  }
  o.console.result({{"texts", texts}});
}

void add_decode(CLI::App& parent) {
  auto o = std::make_shared<DecodeOptions>();
  auto* command = parent.add_subcommand("decode", "Ids to text");
  command->add_option("--tokenizer", o->tokenizer, kTokenizerHelp)->required();
  command->add_option("ids", o->ids, "the ids");
  command->add_option("--input", o->input,
                      "a file of ids: a line a document, or one flat .npy array; - is standard input");
  command->add_flag("--skip-special", o->skip_special, "leave special tokens out");
  o->console.add_flag(*command);
  command->callback([o] { decode(*o); });
}

// train -----------------------------------------------------------------------------------------------------------

// The file that --output means, which may be its folder. Error when it is there and may not be replaced.
std::filesystem::path new_tokenizer_json(const std::string& output, bool force) {
  std::filesystem::path path = output;
  if (path.extension() != ".json") path /= "tokenizer.json";
  if (std::filesystem::exists(path) && !force) fail(path.string(), ": is there already; --force replaces it");
  return path;
}

void save(const text::Tokenizer& tokenizer, const std::filesystem::path& path) {
  if (path.has_parent_path()) io::make_folder(path.parent_path());
  io::write_file(path, tokenizer.to_json());
}

struct TrainOptions {
  std::vector<std::string> input;
  std::string output, text_field = "text";
  bool force = false;
  int threads = 0;
  text::TrainerOptions trainer;
  Console console;
};

// Options of the other kind would be without effect.
void refuse_options_of_other_kind(const CLI::App& command, text::TokenizerKind kind) {
  const bool bpe = kind == text::TokenizerKind::bpe;
  for (const char* flag :
       bpe ? std::array{"--limit-alphabet", "--lowercase"} : std::array{"--add-prefix-space", "--line-ends"})
    if (command.count(flag) > 0) fail_usage(flag, ": does not go with --kind ", io::enum_name(kind));
}

// Calls `add` with the text of a file, as pretraining reads it, in pieces that end where a line does.
void read_text(const std::filesystem::path& file, const std::string& text_field,
               const std::function<void(const std::string&)>& add) {
  using data::DocumentEnd;
  const auto end = data::document_end({.path = {}, .weight = {}, .document = DocumentEnd::line}, file);
  const auto reader = data::open_text(file, end, text_field);
  std::string lines;
  for (data::TextBlock block; reader->next(block);) {
    if (block.end == DocumentEnd::line) {
      // `tokenizers` learns a byte-order mark like any other character, which the reader has left out.
      if (block.start.line == 1 && block.start.offset > 0) block.text.insert(0, "\xEF\xBB\xBF");
      add(block.text);
      continue;
    }
    lines.clear();
    block.each_document([&](std::string_view raw) {
      if (block.end == DocumentEnd::jsonl)
        lines += data::text_of_json_line(raw, block, text_field);
      else
        lines += raw;
      lines += '\n';
    });
    add(lines);
  }
}

void train(TrainOptions& o) {
  const auto path = new_tokenizer_json(o.output, o.force);
  const int threads = thread_count(o.threads);
  auto trainer = text::make_trainer(o.trainer, threads);
  double mb = 0;
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& input : o.input) {
    auto add = [&](const std::string& text) {
      trainer->add(text, name_of(input));
      mb += static_cast<double>(text.size()) / 1e6;
    };
    if (input == "-") {
      const std::string text = read_input(input);
      data::require_text(text, name_of(input));
      add(text);
    } else {
      for (const auto& file : data::find_files({.path = input, .weight = {}}, {})) read_text(file, o.text_field, add);
    }
  }
  auto tokenizer = trainer->train();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  save(*tokenizer, path);
  o.console.line(concat(path.string(), ": ", tokenizer->vocab_size(), " tokens learnt from ", mb, " MB of text in ",
                        seconds, " s"));
  o.console.result({{"path", path.string()},
                    {"vocab_size", tokenizer->vocab_size()},
                    {"kind", tokenizer->kind()},
                    {"mb", mb},
                    {"seconds", seconds},
                    {"threads", threads}});
}

void add_train(CLI::App& parent) {
  auto o = std::make_shared<TrainOptions>();
  auto* command = parent.add_subcommand("train", "Learn a vocabulary from text and write a tokenizer.json");
  command
      ->add_option("--input", o->input,
                   "text, JSON lines or Parquet, as in pretrain --corpus: files, folders or globs; - is standard input")
      ->required();
  command
      ->add_option("--text-field", o->text_field,
                   "the field of a JSON object, or the column of a Parquet table, that holds the text")
      ->capture_default_str();
  command->add_option("--output", o->output, "the tokenizer.json, or the folder for it")->required();
  add_flags(*command, o->trainer);
  command->add_option("--threads", o->threads, kThreadsHelp)->capture_default_str();
  command->add_flag("--force", o->force, "replace a file that is there");
  o->console.add_flag(*command);
  command->callback([o, command] {
    refuse_options_of_other_kind(*command, o->trainer.kind);
    train(*o);
  });
}

// convert ---------------------------------------------------------------------------------------------------------

struct ConvertOptions {
  std::string tokenizer, output;
  bool force = false;
  Console console;
};

void convert(ConvertOptions& o) {
  const auto path = new_tokenizer_json(o.output, o.force);
  auto tokenizer = text::load_tokenizer(o.tokenizer);
  save(*tokenizer, path);
  o.console.line(concat(path.string(), ": ", tokenizer->kind(), ", ", tokenizer->vocab_size(), " tokens"));
  o.console.result({{"path", path.string()}, {"vocab_size", tokenizer->vocab_size()}, {"kind", tokenizer->kind()}});
}

void add_convert(CLI::App& parent) {
  auto o = std::make_shared<ConvertOptions>();
  auto* command =
      parent.add_subcommand("convert", "Write a vocab.txt, or vocab.json and merges.txt, as one tokenizer.json");
  command->add_option("--tokenizer", o->tokenizer, kTokenizerHelp)->required();
  command->add_option("--output", o->output, "the tokenizer.json, or the folder for it")->required();
  command->add_flag("--force", o->force, "replace a file that is there");
  o->console.add_flag(*command);
  command->callback([o] { convert(*o); });
}

}  // namespace

void add_tokenizer_command(CLI::App& app) {
  auto* tokenizer = app.add_subcommand("tokenizer", "Make and use tokenizers (WordPiece, byte-level BPE)");
  tokenizer->require_subcommand(1);
  add_train(*tokenizer);
  add_encode(*tokenizer);
  add_decode(*tokenizer);
  add_convert(*tokenizer);
}

}  // namespace saobp::cli
