#include "saobp/analysis/analyze.h"

#include <limits>

#include "saobp/cli/analyze.h"
#include "saobp/cli/commands.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/open_model.h"
#include "saobp/cli/outputs.h"
#include "saobp/io/file.h"
#include "saobp/report/analysis_table.h"

namespace saobp::cli {

AnalysisText read_analysis_text(const data::TextInput& text, const AnalyzeOptions& options) {
  io::check_limits(options.analysis);
  AnalysisText found{text.name(), {}};
  text.each_document([&](std::string_view document) {
    found.sequences.emplace_back(document);
    return options.limit == 0 || found.sequences.size() < static_cast<size_t>(options.limit);
  });
  if (found.sequences.empty()) fail(text.name(), ": has no text but white space");
  return found;
}

namespace {

// The length at which sequences are cut, which must suit every model.
int64_t common_length(const std::vector<OpenedModel>& models, const std::vector<std::filesystem::path>& folders,
                      int64_t asked) {
  int64_t least = 1, most = std::numeric_limits<int64_t>::max();
  std::string tables;
  for (size_t i = 0; i < models.size(); ++i) {
    const auto& config = models[i].model->config;
    least = std::max<int64_t>(least, config.causal() ? 1 : 3);
    most = std::min(most, config.max_length());
    tables +=
        concat(i > 0 ? ", " : "", "the position table of ", folders[i].string(), " ends at ", config.max_length());
  }
  const int64_t length = asked == 0 ? std::min<int64_t>(128, most) : asked;
  if (length < least || length > most)
    fail_usage("--length: ", length, " was given; from ", least, " to ", most, models.size() > 1 ? " suits both" : "",
               " was expected: ", tables);
  return length;
}

struct Items {
  std::vector<analysis::AnalysisItem> list;
  int64_t cut = 0;  // of them, since they were longer
};

Items encode_all(const OpenedModel& opened, const AnalysisText& text, int64_t length) {
  Items items;
  for (const auto& line : text.sequences) {
    const auto rows = pretrained::encode(opened.model->config, *opened.tokenizer, line, {}, {.max_length = length});
    items.cut += rows.size() > 1;
    const auto& row = rows[0];
    if (row.ids.empty()) fail(text.name, ": sequence ", items.list.size() + 1, " has no token");
    auto& tokens = items.list.emplace_back().tokens;
    tokens.ids.assign(row.ids.begin(), row.ids.end());
    tokens.types.assign(row.types.begin(), row.types.end());
    for (const auto of : row.texts) tokens.special.push_back(of < 0);
  }
  return items;
}

}  // namespace

std::vector<io::Json> analyze_folders(const std::vector<std::filesystem::path>& folders, const AnalysisText& text,
                                      const AnalyzeOptions& options, Console& console) {
  std::vector<OpenedModel> models;
  for (const auto& folder : folders) models.push_back(open_model(folder, options.tokenizer));
  const int64_t length = common_length(models, folders, options.length);
  std::vector<io::Json> records;
  for (size_t i = 0; i < models.size(); ++i) {
    const auto& model = models[i].model;
    const auto name = folders[i].string();
    const auto items = encode_all(models[i], text, length);
    const auto tell = [&](size_t done) {
      console.progress(concat("analysing ", name, ": ", done, " of ", io::counted(items.list.size(), "sequence")),
                       false);
    };
    auto json = analysis::analyze(model, items.list, options.analysis, name, text.name, tell);
    json["cut_sequences"] = items.cut;
    json["settings"]["length"] = length;
    json["settings"]["limit"] = options.limit;
    json["refined_attention"] = model::to_json(model->current_config().refined_attention);
    if (attention::has_strength(model->config.refined_attention.attention))
      json["strengths"] = model::to_json(model->strengths());
    records.push_back(std::move(json));
  }
  return records;
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
    const auto detail = heads ? report::TableDetail::heads : report::TableDetail::layers;
    std::vector<std::filesystem::path> folders = {model};
    if (!compare.empty()) folders.emplace_back(compare);
    const auto records = analyze_folders(folders, texts, options, console);
    const std::string table = compare.empty()
                                  ? report::metrics_table(records[0], detail, model)
                                  : report::comparison_table(records[0], records[1], detail, model, compare);
    const io::Json result = compare.empty() ? records[0] : io::Json{{"first", records[0]}, {"second", records[1]}};
    // Files first: nobody may listen to the rest.
    if (!output.empty()) io::write_json(output, result);
    for (size_t i = 0; i < records.size(); ++i) keep(records[i], folders[i].string());
    console.line(table);
    for (const auto& line : written) console.line(line);
    if (!output.empty()) console.line("written: " + output);
    console.result(result);
    if (!not_kept.empty()) fail(not_kept);
  }
};

}  // namespace

void add_analyze_command(CLI::App& app) {
  auto state = std::make_shared<Analyze>();
  auto* command = app.add_subcommand("analyze", "Measure a model's attention on a text: entropy, GTD, sparsity");
  command
      ->add_option("model", state->model,
                   "run folder, a checkpoint's folder in it, or any other model's folder in the Hugging Face layout")
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
        "tokens at which a sequence is cut, BERT's [CLS] and [SEP] included; 0: 128, or what every "
        "model takes if that is less",
        io::at_least(0));
  flags("limit", state->options.limit, "sequences that are taken, the first ones; 0: all", io::at_least(0));
  flags("tokenizer", state->options.tokenizer, "tokenizer, when it is not in the model's folder");
  add_flags(*command, state->options.analysis);
  flags("heads", state->heads, "show every head, not only the mean over heads");
  flags("name", state->name, "the record in the run folder is analysis/NAME.json; by default the text's name");
  command->add_option("--output", state->output, "write the JSON there too")->type_name("FILE.json");
  state->console.add_flag(*command);
  add_example(*command,
              "Examples:\n"
              "  saobp analyze runs/demo/high --text runs/demo/analysis.txt --heads\n"
              "  saobp analyze runs/demo/original --compare runs/demo/high --text analysis.txt");
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli
