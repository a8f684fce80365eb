#include "saobp/analysis/analyze.h"

#include "saobp/analysis/table.h"
#include "saobp/cli/analyze.h"
#include "saobp/cli/commands.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/open_model.h"
#include "saobp/cli/outputs.h"
#include "saobp/io/file.h"

namespace saobp::cli {

AnalysisText read_analysis_text(const data::TextInput& text, const AnalyzeOptions& options) {
  options.metrics.validate();
  if (options.limit < 0) fail_usage("--limit: ", options.limit, " was given; at least 0 was expected");
  return {text.name(), analysis::read_sequences(text, options.limit)};
}

io::Json analyze_folder(const std::filesystem::path& folder, const AnalysisText& text, const AnalyzeOptions& options,
                        Console& console) {
  auto opened = open_model(folder, options.tokenizer);
  const int64_t table = opened.model->config.max_position_embeddings, least = opened.model->config.causal() ? 1 : 3;
  const int64_t length = options.length == 0 ? std::min<int64_t>(128, table) : options.length;
  if (length < least || length > table)
    fail_usage("--length: ", length, " was given; from ", least, " to the model's position table of ", table,
               " was expected");
  std::vector<std::vector<int64_t>> sequences;
  for (const auto& sequence : text.sequences) {
    sequences.push_back(opened.encode(sequence, length));
    if (sequences.back().empty()) fail(text.name, ": sequence ", sequences.size(), " has no token");
  }
  auto json = analysis::analyze(opened.model, sequences, options.metrics, folder.string(), text.name, [&](size_t n) {
    console.progress(concat("analysing ", folder.string(), ": ", n, " of ", sequences.size(), " sequences"), false);
  });
  json["settings"]["length"] = length;
  json["settings"]["limit"] = options.limit;
  json["refined_attention"] = model::to_json(opened.model->config.refined_attention);
  return json;
}

std::filesystem::path analysis_path(const std::filesystem::path& run, const std::string& name) {
  return run / "analysis" / (name + ".json");
}

void save_analysis(const io::Json& json, const std::filesystem::path& run, const std::string& name) {
  io::make_folder(run / "analysis");
  io::write_json(analysis_path(run, name), json);
}

namespace {

struct Analyze {
  std::string model, text, compare, output, name, text_field = "text";
  std::string not_kept;              // why a run folder did not take its record
  std::vector<std::string> written;  // told when the result is
  AnalyzeOptions options;
  bool heads = false;
  Console console;

  // Results go into the run folder's own analysis/, where a report finds it; other model folders are left as they are.
  static bool is_run(const std::string& folder) {
    return !folder.empty() && std::filesystem::exists(std::filesystem::path(folder) / "run.json");
  }

  data::TextInput prepare() {
    if (name.starts_with('.') || name.find('/') != std::string::npos)
      fail_usage("--name: ", name, " was given; a name without / that does not begin with . was expected");
    data::TextInput input(text, "--text", text_field);
    if (name.empty()) name = text == "-" ? "stdin" : std::filesystem::path(input.name()).stem().string();
    const auto models = files_of(model) + (compare.empty() ? Paths() : files_of(compare)) +
                        (options.tokenizer.empty() ? Paths() : files_of(options.tokenizer));
    prepare_output(output, "--output", input.files() + models);
    for (const auto& folder : {model, compare})
      if (is_run(folder)) prepare_output(analysis_path(folder, name).string(), "--name", input.files());
    return input;
  }

  // Into the run folder's own analysis/. A run that cannot be written to must not cost what was measured: with --output
  // it is told, and else the work has failed when all the rest is done.
  void keep(const io::Json& json, const std::string& folder) {
    if (!is_run(folder)) return;
    try {
      save_analysis(json, folder, name);
      written.push_back("written: " + analysis_path(folder, name).string());
    } catch (const UsageError&) {
      throw;
    } catch (const Error& error) {
      if (!output.empty())
        written.push_back(concat("note: ", error.what(), "; the record is in ", output, " alone"));
      else if (not_kept.empty())
        not_kept = error.what();
    }
  }

  void run() {
    const auto input = prepare();
    const auto texts = read_analysis_text(input, options);
    const auto detail = heads ? analysis::TableDetail::heads : analysis::TableDetail::layers;
    io::Json result = analyze_folder(model, texts, options, console), other;
    if (!compare.empty()) other = analyze_folder(compare, texts, options, console);
    const std::string table = compare.empty() ? analysis::metrics_table(result, detail, model)
                                              : analysis::comparison_table(result, other, detail, model, compare);
    const io::Json both = compare.empty() ? result : io::Json{{"first", result}, {"second", other}};
    // Files first: nobody may listen to the rest.
    if (!output.empty()) io::write_json(output, both);
    keep(result, model);
    keep(other, compare);
    console.line(table);
    for (const auto& line : written) console.line(line);
    if (!output.empty()) console.line("written: " + output);
    console.result(both);
    if (!not_kept.empty()) fail(not_kept);
  }
};

}  // namespace

void add_analyze_command(CLI::App& app) {
  auto state = std::make_shared<Analyze>();
  auto* command = app.add_subcommand("analyze", "Measure a model's attention on a text: entropy, GTD, sparsity");
  command->add_option("model", state->model, "run folder, or any BERT or GPT-2 checkpoint in the Hugging Face layout")
      ->required()
      ->type_name("RUN|MODEL");
  command
      ->add_option(
          "--text", state->text,
          "text as pretrain --corpus takes it, or - for standard input; each line that is not blank, each JSON line or "
          "row of a table is one sequence")
      ->required()
      ->type_name("FILE");
  command->add_option("--text-field", state->text_field, kTextFieldHelp)->capture_default_str()->type_name("NAME");
  command->add_option("--compare", state->compare, "a second run or model, shown side by side")->type_name("OTHER");
  FieldsToFlags flags{*command};
  flags("length", state->options.length,
        "tokens at which a sequence is cut, BERT's [CLS] and [SEP] included; 0: 128, or the model's limit if shorter");
  flags("limit", state->options.limit, "sequences that are taken, the first ones; 0: all");
  flags("tokenizer", state->options.tokenizer, "tokenizer, when it is not in the model's folder");
  add_flags(*command, state->options.metrics);
  flags("heads", state->heads, "show every head, not only the mean over heads");
  flags("name", state->name, "the record in the run folder is analysis/NAME.json; by default the text's name");
  command->add_option("--output", state->output, "write the JSON there too")->type_name("FILE.json");
  state->console.add_flag(*command);
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli
