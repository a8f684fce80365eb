#include "saobp/analysis/analyze.h"

#include "saobp/analysis/table.h"
#include "saobp/cli/analyze.h"
#include "saobp/cli/commands.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/open_model.h"
#include "saobp/io/file.h"

namespace saobp::cli {

io::Json analyze_folder(const std::filesystem::path& folder, const std::filesystem::path& text,
                        const AnalyzeOptions& options, Console& console) {
  options.metrics.validate();
  if (options.limit < 0) fail_usage("--limit: ", options.limit, " was given; at least 0 was expected");
  auto opened = open_model(folder, options.tokenizer);
  const int64_t table = opened.model->config.max_position_embeddings, least = opened.model->config.causal() ? 1 : 3;
  const int64_t length = options.length == 0 ? std::min<int64_t>(128, table) : options.length;
  if (length < least || length > table)
    fail_usage("--length: ", length, " was given; from ", least, " to the model's position table of ", table,
               " was expected");
  std::vector<std::vector<int64_t>> sequences;
  for (const auto& line : analysis::read_sequences(text, options.limit)) {
    sequences.push_back(opened.encode(line, length));
    if (sequences.back().empty()) fail(text.string(), ": sequence ", sequences.size(), " has no token");
  }
  auto json =
      analysis::analyze(opened.model, sequences, options.metrics, folder.string(), text.string(), [&](size_t n) {
        console.progress(concat("analysing ", folder.string(), ": ", n, " of ", sequences.size(), " sequences"), false);
      });
  json["settings"]["length"] = length;
  json["settings"]["limit"] = options.limit;
  json["refined_attention"] = model::to_json(opened.model->config.refined_attention);
  return json;
}

std::filesystem::path save_analysis(const io::Json& json, const std::filesystem::path& run, const std::string& name) {
  io::make_folder(run / "analysis");
  auto path = run / "analysis" / (name + ".json");
  io::write_json(path, json);
  return path;
}

namespace {

struct Analyze {
  std::string model, text, compare, output, name;
  AnalyzeOptions options;
  bool heads = false;
  Console console;

  // Into the run folder's own analysis/, where a report finds it; other model folders are left as they are.
  void keep(const io::Json& json, const std::string& folder) {
    if (!std::filesystem::exists(std::filesystem::path(folder) / "run.json")) return;
    const auto stem = std::filesystem::path(text).stem().string();
    console.line("written: " + save_analysis(json, folder, name.empty() ? stem : name).string());
  }

  void run() {
    if (name.starts_with('.') || name.find('/') != std::string::npos)
      fail_usage("--name: ", name, " was given; a name without / that does not begin with . was expected");
    const auto detail = heads ? analysis::TableDetail::heads : analysis::TableDetail::layers;
    io::Json result = analyze_folder(model, text, options, console);
    if (compare.empty()) {
      console.line(analysis::metrics_table(result, detail, model));
      keep(result, model);
    } else {
      io::Json other = analyze_folder(compare, text, options, console);
      console.line(analysis::comparison_table(result, other, detail, model, compare));
      keep(result, model);
      keep(other, compare);
      result = {{"first", result}, {"second", other}};
    }
    if (!output.empty()) {
      io::write_json(output, result);
      console.line("written: " + output);
    }
    console.result(result);
  }
};

}  // namespace

void add_analyze_command(CLI::App& app) {
  auto state = std::make_shared<Analyze>();
  auto* command = app.add_subcommand("analyze", "Measure a model's attention on a text: entropy, GTD, sparsity");
  command->add_option("model", state->model, "run folder, or any BERT or GPT-2 checkpoint in the Hugging Face layout")
      ->required()
      ->type_name("RUN|MODEL");
  command->add_option("--text", state->text, "UTF-8 text; every line that is not blank is one sequence")
      ->required()
      ->type_name("FILE");
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
