// saobp tokenizer train | decode | convert
#include <array>
#include <chrono>
#include <iterator>
#include <memory>
#include <sstream>

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/outputs.h"
#include "saobp/cli/tokenizer_parts.h"
#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/io/input_file.h"
#include "saobp/io/json.h"
#include "saobp/io/npy.h"
#include "saobp/io/paths.h"
#include "saobp/text/tokenizer.h"
#include "saobp/text/trainer.h"

namespace saobp::cli {
namespace {

using io::Json;

// Ids, from a file, a pipe or "-".
std::string read_input(const std::string& path) {
  std::string bytes;
  for (io::InputFile file(path); file.read(bytes, size_t{1} << 20) > 0;) {
  }
  return bytes;
}

std::string name_of(const std::string& path) { return path == "-" ? "standard input" : path; }

// decode ----------------------------------------------------------------------------------------------------------

struct DecodeOptions {
  std::string tokenizer, input;
  std::vector<int32_t> ids;
  bool skip_special = false;
  Console console;
};

// Of a flat array, as `encode --output` and numpy.save write it.
std::vector<int32_t> ids_of_npy(const std::string& bytes, const std::string& source) {
  std::vector<int32_t> ids;
  for (const int64_t id : io::parse_npy_integers(bytes, source)) {
    if (id < 0 || id > INT32_MAX) fail(source, ": ", id, " is not an id");
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

// Each line of numbers is a document; an .npy file is one.
std::vector<std::vector<int32_t>> read_ids(const std::string& path) {
  const std::string bytes = read_input(path), source = name_of(path);
  if (bytes.starts_with("\x93NUMPY")) return {ids_of_npy(bytes, source)};
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
  command->add_option("--tokenizer", o->tokenizer, kTokenizerHelp)->required()->type_name("FILE");
  command->add_option("ids", o->ids, "the ids")->type_name("ID");
  command
      ->add_option("--input", o->input, "a file of ids: a line a document, or one flat .npy array; - is standard input")
      ->type_name("FILE");
  command->add_flag("--skip-special", o->skip_special, "leave special tokens out");
  o->console.add_flag(*command);
  add_example(*command, "Example:\n  saobp tokenizer decode --tokenizer runs/my-tokenizer 17 23 5");
  command->callback([o] { decode(*o); });
}

// train -----------------------------------------------------------------------------------------------------------

// The file that --output means, which may be its folder. Error when it is there and may not be replaced.
std::filesystem::path new_tokenizer_json(const std::string& output, bool force) {
  std::filesystem::path path = output;
  std::error_code error;
  const bool device = std::filesystem::exists(path, error) && std::filesystem::is_other(path, error);
  if (device || io::is_standard_output(path)) return path;
  if (output.empty()) fail_usage("--output: \"\" was given; a tokenizer.json, or the folder for it, was expected");
  if (std::filesystem::is_regular_file(path, error) && path.extension() != ".json")
    fail(path.string(), ": is a file; a name that ends in .json, or a folder, was expected");
  if (path.extension() != ".json") path /= "tokenizer.json";
  if (std::filesystem::exists(path) && !force) fail(path.string(), ": is there already; --force replaces it");
  return path;
}

void save(const text::Tokenizer& tokenizer, const std::filesystem::path& path) {
  if (path.has_parent_path() && !std::filesystem::exists(path)) io::make_folder(path.parent_path());
  io::write_file(path, tokenizer.to_json());
}

struct TokenizerTrainOptions {
  std::vector<std::string> input;
  std::string output, text_field = "text";
  bool force = false;
  int64_t threads = 0;
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

void train(TokenizerTrainOptions& o) {
  const auto path = new_tokenizer_json(o.output, o.force);
  std::vector<data::TextInput> inputs;
  Paths files;
  for (const std::string& input : o.input) {
    inputs.emplace_back(input, "--input", o.text_field);
    files = std::move(files) + inputs.back().files();
  }
  prepare_output(path.string(), "--output", files);
  const int threads = thread_count(o.threads);
  auto trainer = text::make_trainer(o.trainer, threads);
  double mb = 0;
  const auto start = std::chrono::steady_clock::now();
  for (const auto& input : inputs) {
    std::string documents;
    const auto add = [&](std::string& text) {
      trainer->add(text, input.name());
      mb += static_cast<double>(text.size()) / 1e6;
      text.clear();
    };
    each_piece(input, o.text_field, add, [&](std::string_view document) {
      documents.append(document) += '\n';
      if (documents.size() >= data::TextReader::kBlockBytes) add(documents);
    });
    if (!documents.empty()) add(documents);
  }
  auto tokenizer = trainer->train();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  save(*tokenizer, path);
  o.console.line(concat(path.string(), ": ", io::counted(tokenizer->vocab_size(), "token"), " learnt from ",
                        io::size_in_words(1e6 * mb), " of text in ", io::time_in_words(seconds)));
  if (const auto asked = o.trainer.vocab_size.value_or(0); tokenizer->vocab_size() < asked)
    o.console.line(concat(
        "fewer than --vocab-size ", asked, ": no two pieces stand side by side ",
        o.trainer.min_frequency > 1 ? concat("--min-frequency ", o.trainer.min_frequency, " times") : "in a word",
        " any more; a longer text has more pairs"));
  o.console.result({{"path", path.string()},
                    {"vocab_size", tokenizer->vocab_size()},
                    {"kind", tokenizer->kind()},
                    {"mb", mb},
                    {"seconds", seconds},
                    {"threads", threads}});
}

void add_train(CLI::App& parent) {
  auto o = std::make_shared<TokenizerTrainOptions>();
  auto* command = parent.add_subcommand("train", "Learn a vocabulary from text and write a tokenizer.json");
  command->add_option("--input", o->input, kInputHelp)->required()->type_name("FILE");
  FieldsToFlags{*command}("text_field", o->text_field, kTextFieldHelp);
  command->add_option("--output", o->output, "the tokenizer.json, or the folder for it")->required()->type_name("FILE");
  add_flags(*command, o->trainer);
  add_threads(*command, o->threads);
  command->add_flag("--force", o->force, "replace a file that is there");
  o->console.add_flag(*command);
  add_example(*command,
              "Examples:\n  saobp tokenizer train --input text.txt --vocab-size 8000 --output runs/words\n  "
              "saobp tokenizer train --kind bpe --input text.txt --output runs/my-bpe");
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
  prepare_output(path.string(), "--output", files_of(o.tokenizer));
  auto tokenizer = text::load_tokenizer(o.tokenizer);
  save(*tokenizer, path);
  o.console.line(concat(path.string(), ": ", tokenizer->kind(), ", ", io::counted(tokenizer->vocab_size(), "token")));
  o.console.result({{"path", path.string()}, {"vocab_size", tokenizer->vocab_size()}, {"kind", tokenizer->kind()}});
}

void add_convert(CLI::App& parent) {
  auto o = std::make_shared<ConvertOptions>();
  auto* command =
      parent.add_subcommand("convert", "Write a vocab.txt, or vocab.json and merges.txt, as one tokenizer.json");
  command->add_option("--tokenizer", o->tokenizer, kTokenizerHelp)->required()->type_name("FILE");
  command->add_option("--output", o->output, "the tokenizer.json, or the folder for it")->required()->type_name("FILE");
  command->add_flag("--force", o->force, "replace a file that is there");
  o->console.add_flag(*command);
  add_example(*command, "Example:\n  saobp tokenizer convert --tokenizer vocab.txt --output runs/my-tokenizer");
  command->callback([o] { convert(*o); });
}

}  // namespace

void add_tokenizer_command(CLI::App& app) {
  auto* tokenizer = app.add_subcommand("tokenizer", "Make and use tokenizers (WordPiece, byte-level BPE)");
  tokenizer->require_subcommand(1);
  add_train(*tokenizer);
  add_tokenizer_encode(*tokenizer);
  add_decode(*tokenizer);
  add_convert(*tokenizer);
}

}  // namespace saobp::cli
