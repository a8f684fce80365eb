#include "saobp/cli/analyze.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>
#include <sstream>

#include "saobp/cli/commands.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/open_model.h"
#include "saobp/cli/outputs.h"
#include "saobp/io/file.h"
#include "saobp/recipes/checkpoint_model.h"
#include "saobp/recipes/importance.h"
#include "saobp/recipes/maps.h"
#include "saobp/recipes/matrices.h"
#include "saobp/recipes/what_if.h"
#include "saobp/report/analysis_table.h"
#include "saobp/report/checkpoints_table.h"
#include "saobp/report/findings.h"
#include "saobp/report/other_tables.h"
#include "saobp/report/study_tables.h"
#include "saobp/train/run_folder.h"

namespace saobp::cli {

namespace fs = std::filesystem;

std::vector<io::Json> analyze_folders(const std::vector<fs::path>& folders, const recipes::AnalysisSource& source,
                                      const recipes::AnalyzeOptions& options, Console& console,
                                      const std::function<void(const io::Json&)>& each) {
  std::vector<OpenedModel> opened;
  std::vector<recipes::AnalyzedModel> models;
  opened.reserve(folders.size());
  for (const auto& folder : folders) {
    opened.push_back(open_model(folder, options.tokenizer));
    models.push_back({folder.string(), opened.back()});
  }
  const int64_t length = recipes::common_length(models, source, options);
  std::vector<io::Json> records;
  for (const auto& model : models) {
    const auto tell = [&](size_t done, size_t all) {
      console.progress(concat("analysing ", model.name, ": ", done, " of ", io::counted(all, "sequence")), false);
    };
    records.push_back(recipes::analyze_model(model, source, options, length, tell, records.empty() ? each : nullptr));
  }
  return records;
}

fs::path analysis_path(const fs::path& run, const std::string& name) { return run / "analysis" / (name + ".json"); }

void save_analysis(const io::Json& json, const fs::path& run, const std::string& name) {
  io::make_folder(run / "analysis");
  io::write_json(analysis_path(run, name), json);
}

namespace {

io::Json list_of_measures(std::string& out) {
  io::Json json;
  for (const auto& measure : analysis::all_measures()) {
    std::string line = "  " + measure.name;
    line.resize(std::max<size_t>(line.size(), 24), ' ');
    out += concat(line, measure.definition, measure.unit.empty() ? "" : ", " + measure.unit,
                  measure.cost == analysis::Cost::products ? "" : " ",
                  std::string(static_cast<size_t>(measure.cost), '*'), "\n");
    json[measure.name] = {
        {"unit", measure.unit}, {"definition", measure.definition}, {"cost", io::enum_name(measure.cost)}};
  }
  out +=
      "\nThose without a star take no longer than GTD and are the default; * eigenvalues and singular values of whole\n"
      "matrices, taken of --spectrum-sequences sequences; ** paths in a graph.";
  return {{"measures", json}};
}

struct Analyze {
  std::string model, text, compare, output, name, text_field = "text", checkpoints;
  std::string matrices, sequence_ids, draw, what_if;
  static constexpr int64_t kStudySequences = 32;
  int64_t study_sequences = kStudySequences;
  bool importance = false, maps = false;
  recipes::MatrixType matrix_type = recipes::MatrixType::f16;
  std::string not_kept;              // why a run folder did not take its record
  std::vector<std::string> written;  // told when the result is
  recipes::AnalyzeOptions options;
  recipes::TaskSourceOptions task;
  int64_t threads = 0;
  std::string drawing;
  bool heads = false, keep_sequences = false, list = false;
  Console console;

  // Results go into the run folder's own analysis/, where a report finds it; other model folders are left as they are.
  static bool is_run(const std::string& folder) { return !folder.empty() && fs::exists(fs::path(folder) / "run.json"); }

  // The run that keeps what is said of a model, and under which name.
  struct Place {
    std::string run, name;
    fs::path path() const { return analysis_path(run, name); }
    fs::path beside(const std::string& ending) const { return fs::path(run) / "analysis" / (name + ending); }
    fs::path sequences() const { return beside(".sequences.jsonl"); }
  };
  Place place_of(const std::string& folder) const {
    const auto run = recipes::run_of_checkpoint(folder);
    if (run && !checkpoints.empty()) return {run->string(), name + "." + fs::path(folder).filename().string()};
    return {is_run(folder) ? folder : "", name};
  }

  std::vector<fs::path> folders() const {
    if (checkpoints.empty()) {
      std::vector<fs::path> all = {model};
      if (!compare.empty()) all.emplace_back(compare);
      return all;
    }
    if (!compare.empty()) fail_usage("--checkpoints and --compare cannot go together");
    auto all = train::Checkpoints(model, 1).newest_first();
    if (all.empty()) fail(model, ": has no checkpoints; a run folder with checkpoints/ was expected");
    std::reverse(all.begin(), all.end());
    if (checkpoints == "all") return all;
    std::vector<fs::path> chosen;
    std::istringstream steps(checkpoints);
    for (std::string text; std::getline(steps, text, ',');) {
      int64_t step = 0;
      if (const auto wrong = read_number(text, step); !wrong.empty())
        fail_usage("--checkpoints: ", wrong, "; all, or steps with commas between were expected");
      const auto found = std::find_if(all.begin(), all.end(), [&](const fs::path& folder) {
        return std::stoll(folder.filename().string().substr(5)) == step;
      });
      if (found == all.end())
        fail(model, ": has no checkpoint of step ", step, "; there are ", all.size(), ", from ",
             all.front().filename().string(), " to ", all.back().filename().string());
      chosen.push_back(*found);
    }
    return chosen;
  }

  // A flag that would change nothing is a slip.
  void refuse_what_does_nothing() const {
    if (task.task.empty() && (!task.data.empty() || !task.preset.empty() || task.split != "dev"))
      fail_usage("--data, --preset and --split go with --task");
    const bool looks = maps || !matrices.empty() || !draw.empty();
    const bool studies = importance || !what_if.empty();
    if (matrix_type != recipes::MatrixType::f16 && matrices.empty()) fail_usage("--matrix-type goes with --matrices");
    if (study_sequences != kStudySequences && !studies)
      fail_usage("--study-sequences goes with --what-if or --importance");
    if ((looks || studies) && (!compare.empty() || !checkpoints.empty()))
      fail_usage(
          "--maps, --matrices, --draw, --what-if and --importance are of one model: they do not go with --compare "
          "or --checkpoints");
    if (keep_sequences && place_of(model).run.empty() && checkpoints.empty())
      fail_usage("--keep-sequences: ", model, " is no run folder, which keeps them");
  }

  // No file may be written twice.
  void require_different(const std::vector<fs::path>& models) const {
    std::vector<std::pair<std::string, fs::path>> files;
    const auto same = [](const fs::path& a, const fs::path& b) {
      std::error_code none;
      return fs::weakly_canonical(a, none) == fs::weakly_canonical(b, none);
    };
    const auto add = [&](const std::string& flag, const fs::path& path) {
      std::error_code none;
      if (path.empty() || path == "-" || (fs::exists(path, none) && !fs::is_regular_file(path, none))) return;
      const auto whole = fs::weakly_canonical(path, none);
      for (const auto& [other, taken] : files)
        if (taken == whole) fail_usage(flag, ": ", path.string(), " is what ", other, " writes already");
      files.emplace_back(flag, whole);
    };
    for (const auto& folder : models)
      if (const auto place = place_of(folder); !place.run.empty()) {
        // A run compared with itself has one record, and --output of one model is the record.
        const bool again = &folder != &models.front() && same(folder, models.front());
        const bool both = models.size() == 1 && checkpoints.empty() && same(output, place.path());
        if (!again && !both) add("--name of " + folder.string(), place.path());
        if (maps) add("--maps", place.beside(".maps.json"));
        if (keep_sequences && folder == models.front()) add("--keep-sequences", place.sequences());
      }
    add("--output", output);
    add("--matrices", matrices);
  }

  // What an earlier analysis of the name left beside its record would no longer belong to it.
  void remove_old(const Place& place) {
    for (const auto& [path, kept] : {std::pair(place.beside(".maps.json"), maps), {place.sequences(), keep_sequences}})
      if (!kept && fs::exists(path)) {
        fs::remove(path);
        written.push_back("removed: " + path.string() + ", which was of an earlier analysis");
      }
  }

  std::unique_ptr<recipes::AnalysisSource> prepare(const std::vector<fs::path>& models) {
    if (name.starts_with('.') || name.find('/') != std::string::npos)
      fail_usage("--name: ", name, " was given; a name without / that does not begin with . was expected");
    for (const char* ending : {".maps", ".sequences"})
      if (name.ends_with(ending) || name.find(".step-") != std::string::npos)
        fail_usage("--name: ", name, " was given; ", ending, " and .step- belong to files beside a record");
    refuse_what_does_nothing();
    if (text.empty() == task.task.empty()) fail_usage("--text or --task was expected, and not both");
    io::check_limits(options.analysis);
    if (!what_if.empty()) recipes::parse_what_if(what_if);
    analysis::find_measures(options.analysis.measures);
    Paths inputs = files_of(model);
    if (!compare.empty()) inputs = inputs + files_of(compare);
    if (!options.tokenizer.empty()) inputs = inputs + files_of(options.tokenizer);
    std::unique_ptr<recipes::AnalysisSource> source;
    std::optional<data::TextInput> input;
    if (task.task.empty()) {
      input.emplace(text, "--text", text_field);
      inputs = inputs + input->files();
      if (name.empty()) name = text == "-" ? "stdin" : fs::path(input->name()).stem().string();
    } else if (name.empty()) {
      name = fs::path(task.task).stem().string() + "-" + task.split;
    }
    require_different(models);
    prepare_output(output, "--output", inputs);
    prepare_output(matrices, "--matrices", inputs);
    for (const auto& folder : models)
      if (const auto place = place_of(folder); !place.run.empty())
        prepare_output(place.path().string(), "--name", input ? input->files() : Paths());
    return input ? recipes::analysis_of_text(*input, options.limit) : recipes::analysis_of_task(task, options.limit);
  }

  // Into the run folder's own analysis/. A run that cannot be written to must not cost what was measured: with --output
  // it is told, and else the work has failed when all the rest is done.
  void keep(const io::Json& json, const Place& place, const std::string& sequences) {
    if (place.run.empty()) return;
    try {
      save_analysis(json, place.run, place.name);
      written.push_back("written: " + place.path().string());
      remove_old(place);
      if (sequences.empty()) return;
      io::write_file(place.sequences(), sequences);
      written.push_back("written: " + place.sequences().string());
    } catch (const UsageError&) {
      throw;
    } catch (const Error& error) {
      if (!output.empty())
        written.push_back(concat("note: ", error.what(), "; the record is in ", output, " alone"));
      else if (not_kept.empty())
        not_kept = error.what();
    }
  }

  // What --matrices and --draw ask for, of the first model.
  void look(const fs::path& folder, const recipes::AnalysisSource& source) {
    if (matrices.empty() && draw.empty() && !maps) {
      if (!sequence_ids.empty()) fail_usage("--sequences goes with --maps, --matrices or --draw");
      return;
    }
    const auto opened = open_model(folder, options.tokenizer);
    const recipes::AnalyzedModel of{folder.string(), opened};
    const auto items = source.items(opened, recipes::common_length({of}, source, options), {});
    const auto chosen = recipes::chosen_sequences(items, sequence_ids);
    if (!draw.empty()) drawing = recipes::drawn_head(of, items, chosen.front(), draw);
    if (maps) {
      if (const auto place = place_of(folder.string()); !place.run.empty()) {
        io::make_folder(fs::path(place.run) / "analysis");
        const auto path = place.beside(".maps.json");
        io::write_json(path, recipes::maps_of(of, source, items, chosen));
        written.push_back("written: " + path.string());
      } else {
        fail_usage("--maps: ", folder.string(), " is no run folder, which keeps them");
      }
    }
    if (matrices.empty()) return;
    recipes::write_matrices(matrices, of, items, chosen, options.analysis.measure, matrix_type);
    written.push_back("written: " + matrices);
  }

  // What --what-if and --importance ask for, into the record of the first model.
  void study(const fs::path& folder, const recipes::AnalysisSource& source, io::Json& record) {
    const auto tell = [&](const std::string& what) { console.progress(what, false); };
    if (!what_if.empty()) {
      const auto what = recipes::parse_what_if(what_if);
      record["what_if"] = recipes::what_if(folder, source, options, what, study_sequences, tell);
    }
    if (!importance) return;
    const auto opened = open_model(folder, options.tokenizer);
    const recipes::AnalyzedModel of{folder.string(), opened};
    const auto items = source.items(opened, recipes::common_length({of}, source, options), {});
    record["importance"] = recipes::importance(of, items, study_sequences, tell);
  }

  std::string table_of(const std::vector<io::Json>& records) const {
    const auto detail = heads ? report::TableDetail::heads : report::TableDetail::layers;
    if (!checkpoints.empty()) return report::checkpoints_table(records, model);
    if (!compare.empty()) return report::comparison_table(records[0], records[1], detail, model, compare);
    return report::metrics_table(records[0], detail, model) + report::other_tables(records[0], detail, model) +
           report::study_tables(records[0], model) + "\n" + report::findings_text(records[0], model);
  }

  void run() {
    if (list) {
      std::string text;
      const auto json = list_of_measures(text);
      console.line(text);
      console.result(json);
      return;
    }
    if (threads > 0) at::set_num_threads(static_cast<int>(threads));
    if (model.empty())
      fail_usage("a model is missing: a run folder, a checkpoint's folder in it, or any other model's");
    const auto models = folders();
    const auto source = prepare(models);
    look(models.front(), *source);
    std::string sequences;
    const auto line = [&](const io::Json& json) { sequences += json.dump() + "\n"; };
    auto records = analyze_folders(models, *source, options, console,
                                   keep_sequences ? line : std::function<void(const io::Json&)>());
    study(models.front(), *source, records.front());
    io::Json result = records[0];
    if (!compare.empty()) result = {{"first", records[0]}, {"second", records[1]}};
    if (!checkpoints.empty()) result = {{"checkpoints", records}};
    // Files first: nobody may listen to the rest.
    if (!output.empty()) io::write_json(output, result);
    for (size_t i = 0; i < records.size(); ++i) keep(records[i], place_of(models[i]), i == 0 ? sequences : "");
    if (!drawing.empty()) console.line(drawing);
    console.line(table_of(records));
    for (const auto& each : written) console.line(each);
    if (!output.empty()) console.line("written: " + output);
    console.result(result);
    if (!not_kept.empty()) fail(not_kept);
  }
};

}  // namespace

void add_analyze_command(CLI::App& app) {
  auto state = std::make_shared<Analyze>();
  auto* command = app.add_subcommand(
      "analyze", "Measure a model's attention on a text or a task: entropy, GTD, sinks, ranks, and where it collapses");
  command
      ->add_option("model", state->model,
                   "run folder, a checkpoint's folder in it, or any other model's folder in the Hugging Face layout")
      ->type_name("RUN|MODEL");
  command
      ->add_option(
          "--text", state->text,
          "text as pretrain --corpus takes it, or - for standard input; each line that is not blank, each JSON line or "
          "row of a table is one sequence")
      ->type_name("FILE");
  command->add_option("--text-field", state->text_field, kTextFieldHelp)->capture_default_str()->type_name("NAME");
  add_flags(*command, state->task);
  command->add_option("--compare", state->compare, "a second run or model, shown side by side")->type_name("OTHER");
  command
      ->add_option("--checkpoints", state->checkpoints,
                   "of the run: all, or steps with commas between: each in its turn, and how measures go with the "
                   "validation loss")
      ->type_name("STEPS");
  FieldsToFlags flags{*command};
  flags("length", state->options.length,
        "tokens at which a sequence is cut, BERT's [CLS] and [SEP] included; 0: 128 or the task's setting, or what "
        "every model takes if that is less",
        io::at_least(0));
  flags("limit", state->options.limit, "sequences or examples that are taken, the first ones; 0: all", io::at_least(0));
  flags("tokenizer", state->options.tokenizer, "tokenizer, when it is not in the model's folder");
  add_flags(*command, state->options.analysis);
  flags("threads", state->threads, "threads; 0: one a core", io::between(0, 1024));
  flags("heads", state->heads, "show every head, not only the mean over heads");
  flags("list", state->list, "show the measures and end");
  flags("keep_sequences", state->keep_sequences,
        "also write analysis/NAME.sequences.jsonl, a line for each sequence with its own figures");
  flags.add("--what-if", state->what_if,
            "what refinement would change, at inference alone: high:0.005..0.4 (eight strengths), low:0.1, elemmul, "
            "commas between");
  flags("importance", state->importance,
        "what becomes of the model's answers when one head looks at the same keys whatever the query, head by head");
  flags("study_sequences", state->study_sequences, "that --what-if and --importance take, the first ones",
        io::at_least(1));
  command
      ->add_option("--matrices", state->matrices,
                   "write A, B and G of some sequences for NumPy: A_0, B_0, G_0 [layers, heads, L, L], tokens_0 …")
      ->type_name("FILE.npz");
  flags("maps", state->maps,
        "write the maps of some sequences into the run, analysis/NAME.maps.json, where a report finds them");
  flags.add("--matrix-type", state->matrix_type, "of their numbers");
  flags.add("--sequences", state->sequence_ids,
            "which, with commas between: their numbers from 1, or the ids of a task's examples; by default the first");
  flags.add("--draw", state->draw, "draw one head's map of the first of them: LAYER.HEAD, from 0.0");
  flags("name", state->name, "the record in the run folder is analysis/NAME.json; by default the text's name");
  command->add_option("--output", state->output, "write the JSON there too")->type_name("FILE.json");
  state->console.add_flag(*command);
  add_example(*command,
              "Examples:\n"
              "  saobp analyze runs/demo/high --text runs/demo/analysis.txt --heads\n"
              "  saobp analyze runs/demo/original --compare runs/demo/high --text analysis.txt\n"
              "  saobp analyze runs/sst2 --task sst2 --data data/sst2 --measures all");
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli
