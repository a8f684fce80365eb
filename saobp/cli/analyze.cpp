#include "saobp/cli/analyze.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>
#include <set>

#include "saobp/cli/analysis_places.h"
#include "saobp/cli/commands.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/open_model.h"
#include "saobp/cli/outputs.h"
#include "saobp/io/file.h"
#include "saobp/recipes/analyzed_checkpoints.h"
#include "saobp/recipes/correlations.h"
#include "saobp/recipes/importance.h"
#include "saobp/recipes/maps.h"
#include "saobp/recipes/matrices.h"
#include "saobp/recipes/recipe.h"
#include "saobp/recipes/run_record.h"
#include "saobp/recipes/what_if.h"
#include "saobp/report/analysis_table.h"
#include "saobp/report/checkpoints_table.h"
#include "saobp/report/findings.h"
#include "saobp/report/group_tables.h"
#include "saobp/report/other_tables.h"
#include "saobp/report/study_tables.h"

namespace saobp::cli {

namespace fs = std::filesystem;

namespace {

struct Analyze {
  std::string model, text, compare, text_field = "text", checkpoints;
  std::string sequence_ids, draw, what_if, scores;
  std::vector<std::string> correlate;
  static constexpr int64_t kStudySequences = 32;
  int64_t study_sequences = kStudySequences;
  bool importance = false, heads = false, list = false;
  recipes::MatrixType matrix_type = recipes::MatrixType::f16;
  AnalysisPlaces places;
  recipes::AnalyzeOptions options;
  recipes::TaskSourceOptions task;
  int64_t threads = 0;
  std::string drawing;
  io::Json maps;
  Console console;

  std::vector<fs::path> folders() const {
    if (checkpoints.empty()) {
      std::vector<fs::path> all = {model};
      if (!compare.empty()) all.emplace_back(compare);
      return all;
    }
    if (!compare.empty()) fail_usage("--checkpoints and --compare cannot go together");
    return recipes::chosen_checkpoints(model, checkpoints);
  }

  // A flag that would change nothing is a slip.
  void refuse_what_does_nothing() const {
    if (task.task.empty() && (!task.data.empty() || !task.preset.empty() || task.split != "dev"))
      fail_usage("--data, --preset and --split go with --task");
    const bool looks = places.maps || !places.matrices.empty() || !draw.empty();
    if (!sequence_ids.empty() && !looks) fail_usage("--sequences goes with --maps, --matrices or --draw");
    const bool studies = importance || !what_if.empty();
    if (matrix_type != recipes::MatrixType::f16 && places.matrices.empty())
      fail_usage("--matrix-type goes with --matrices");
    if (study_sequences != kStudySequences && !studies)
      fail_usage("--study-sequences goes with --what-if or --importance");
    if ((looks || studies) && (!compare.empty() || !checkpoints.empty()))
      fail_usage(
          "--maps, --matrices, --draw, --what-if and --importance are of one model: they do not go with --compare "
          "or --checkpoints");
    if (!scores.empty() && checkpoints.empty() && correlate.empty())
      fail_usage("--scores goes with --checkpoints or --correlate");
    if (places.keep_sequences && (!compare.empty() || !checkpoints.empty()))
      fail_usage("--keep-sequences is of one model: it does not go with --compare or --checkpoints");
    if (heads && !checkpoints.empty()) fail_usage("--heads does not go with --checkpoints, whose table is of means");
    for (const auto& with : correlate) {
      if (std::count(correlate.begin(), correlate.end(), with) > 1)
        fail_usage("--correlate: ", with, " was given twice");
      if (with == "importance" && !importance)
        fail_usage("--correlate importance goes with --importance, which measures it");
    }
    if (!correlate.empty() && (!compare.empty() || !checkpoints.empty()))
      fail_usage("--correlate is of one model: it does not go with --compare or --checkpoints, which has --scores");
  }

  std::unique_ptr<recipes::AnalysisSource> prepare(const std::vector<fs::path>& models) {
    refuse_what_does_nothing();
    if (text.empty() == task.task.empty()) fail_usage("--text or --task was expected, and not both");
    if (!task.task.empty()) task.task = recipes::one_task(task);
    std::vector<std::string> besides;  // what is measured whatever --measures says
    if (places.maps || !places.matrices.empty()) besides.emplace_back("gtd");  // of G
    if (!what_if.empty()) {
      recipes::parse_what_if(what_if);
      for (const auto& name : recipes::what_if_measures()) besides.push_back(name);
    }
    options.analysis.check(besides);
    Paths inputs = files_of(model);
    if (!compare.empty()) inputs = inputs + files_of(compare);
    if (!options.tokenizer.empty()) inputs = inputs + files_of(options.tokenizer);
    if (!scores.empty()) inputs.emplace_back(scores);
    std::unique_ptr<recipes::AnalysisSource> source;
    std::optional<data::TextInput> input;
    if (task.task.empty()) {
      input.emplace(text, "--text", text_field);
      inputs = inputs + input->files();
      if (places.name.empty()) places.name = text == "-" ? "stdin" : fs::path(input->name()).stem().string();
    } else if (places.name.empty()) {
      places.name = fs::path(task.task).stem().string() + "-" + task.split;
    }
    places.of_checkpoints = !checkpoints.empty();
    places.check(models);
    prepare_output(places.output, "--output", inputs);
    prepare_output(places.matrices, "--matrices", inputs);
    for (const auto& folder : models)
      if (const auto place = places.place_of(folder); !place.run.empty())
        prepare_output(place.path().string(), "--name", input ? input->files() : Paths());
    return input ? recipes::analysis_of_text(*input, options.limit)
                 : recipes::analysis_of_task(task, options.limit, model);
  }

  io::Json describe(const fs::path& folder) const {
    if (places.into.empty()) return nullptr;
    return recipes::describe_model(recipes::folder_name(folder).filename().string(),
                                   open_model(folder, options.tokenizer).model->current_config());
  }

  // What --matrices and --draw ask for, of the first model.
  void look(const fs::path& folder, const recipes::AnalysisSource& source) {
    if (places.matrices.empty() && draw.empty() && !places.maps) return;
    const auto opened = open_model(folder, options.tokenizer);
    const recipes::AnalyzedModel of{folder.string(), opened};
    const auto items = source.items(opened, recipes::common_length({of}, source, options), {});
    const auto chosen = recipes::chosen_sequences(items, sequence_ids, options.analysis.dense_length);
    if (!draw.empty()) drawing = recipes::drawn_head(of, items, chosen.front(), draw);
    if (places.maps) maps = recipes::maps_of(of, source, items, chosen, options.analysis.measure);
    if (places.matrices.empty()) return;
    recipes::write_matrices(places.matrices, of, items, chosen, options.analysis.measure, matrix_type);
    places.written.push_back("written: " + places.matrices);
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

  // What --correlate asks for, into the record.
  void relate(const std::vector<io::Json>& lines, const recipes::KeyedNumbers& numbers, io::Json& record) const {
    if (correlate.empty()) return;
    record["correlations"] = io::Json::array();
    for (const auto& with : correlate)
      for (auto& found : recipes::correlations_with(with, record, lines, numbers))
        record["correlations"].push_back(std::move(found));
    recipes::correct_p(record["correlations"]);
  }

  // What of --scores was used, so that nothing is left out unsaid.
  void tell_of_scores(const recipes::KeyedNumbers& known, const std::vector<io::Json>& each,
                      const std::vector<fs::path>& models) {
    std::set<std::string> keys;
    if (checkpoints.empty())
      for (const auto& line : each) keys.insert(recipes::key_of(line, known));
    else
      for (const auto step : recipes::steps_of(models)) keys.insert(std::to_string(step));
    const auto used =
        std::count_if(keys.begin(), keys.end(), [&](const auto& key) { return known.by_key.contains(key); });
    places.written.push_back(concat(
        "scores: ", io::counted(known.lines, "line"), ", of ",
        io::counted(known.by_key.size(), checkpoints.empty() ? "id" : "step"), ", of which ", used,
        used == 1 ? " is" : " are", checkpoints.empty() ? " of sequences here" : " of checkpoints here",
        known.passed_over > 0 ? concat("; ", io::counted(known.passed_over, "line"),
                                       checkpoints.empty() ? " without an id" : " without a step")
                              : "",
        known.again > 0 ? concat("; ", io::counted(known.again, "number"), " given again, of which the later count")
                        : ""));
  }

  // Of --scores, by the ids of sequences or the steps of checkpoints.
  recipes::KeyedNumbers numbers() const {
    if (!checkpoints.empty()) return recipes::numbers_of_checkpoints(model, scores);
    return scores.empty() ? recipes::KeyedNumbers() : recipes::read_keyed_numbers(scores, "id");
  }

  std::string table_of(const std::vector<io::Json>& records, const io::Json& result) const {
    const auto detail = heads ? report::TableDetail::heads : report::TableDetail::layers;
    if (!checkpoints.empty())
      return report::checkpoints_table(records, result.at("correlations"), model) + "\n" +
             report::findings_text(records.back(), model, "the last of them");
    if (!compare.empty())
      return report::comparison_table(records[0], records[1], detail, model, compare) + "\n" +
             report::findings_text(records[0], model, model) + "\n" +
             report::findings_text(records[1], compare, compare);
    const auto analysis = report::read_analysis(records[0], model);
    std::string groups;
    for (const auto& table : report::group_tables({{model, &analysis}}, "")) groups += "\n" + table_text(table);
    return report::metrics_table(records[0], detail, model) + report::other_tables(records[0], detail, model) + groups +
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
      fail_usage("a model is missing; a run folder, a checkpoint's folder in it, or any other model's was expected");
    const auto models = folders();
    const auto source = prepare(models);
    const auto known = numbers();
    std::vector<std::string> measures;
    for (const auto& measure : analysis::all_measures()) measures.emplace_back(measure.name);
    for (const auto& with : correlate) recipes::check_correlated(with, measures, known);
    places.begin(models.front(), describe(models.front()));
    look(models.front(), *source);
    std::vector<io::Json> lines;
    const bool want_lines = places.keep_sequences || !correlate.empty();
    const auto line = [&](const io::Json& json) { lines.push_back(json); };
    auto records =
        analyze_folders(models, *source, options, console, want_lines ? line : std::function<void(const io::Json&)>());
    std::exception_ptr failed;  // a study that fails takes no analysis with it
    try {
      study(models.front(), *source, records.front());
      relate(lines, known, records.front());
    } catch (const Error&) {
      failed = std::current_exception();
    }
    if (known.unreadable > 0)
      places.written.push_back(concat("note: ", io::counted(known.unreadable, "line"),
                                      " of metrics.jsonl could not be read and ",
                                      known.unreadable == 1 ? "was" : "were", " passed over"));
    if (!scores.empty()) tell_of_scores(known, checkpoints.empty() ? lines : records, models);
    io::Json result = records[0];
    if (!compare.empty()) result = {{"first", records[0]}, {"second", records[1]}};
    if (!checkpoints.empty())
      result = {{"checkpoints", records},
                {"correlations", recipes::correlations_over_checkpoints(records, recipes::steps_of(models), known)}};
    // Files first: nobody may listen to the rest.
    if (!places.output.empty()) io::write_json(places.output, result);
    std::string sequences;
    if (places.keep_sequences)
      for (const auto& json : lines) sequences += json.dump() + "\n";
    for (size_t i = 0; i < records.size(); ++i)
      places.keep(records[i], places.place_of(models[i]), i == 0 ? sequences : "", i == 0 ? maps : io::Json());
    if (!drawing.empty()) console.line(drawing);
    console.line(table_of(records, result));
    for (const auto& each : places.written) console.line(each);
    if (!places.output.empty()) console.line("written: " + places.output);
    if (failed) std::rethrow_exception(failed);
    console.result(result);
    if (!places.not_kept.empty()) fail(places.not_kept);
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
        "tokens at which a sequence is cut, BERT's [CLS] and [SEP] included; 0: 128, of a task as the model was "
        "fine-tuned or the task's setting, or what every model was trained on if that is less",
        io::at_least(0));
  flags("limit", state->options.limit, "sequences or examples that are taken, the first ones; 0: all", io::at_least(0));
  flags("tokenizer", state->options.tokenizer, "tokenizer, when it is not in the model's folder");
  add_flags(*command, state->options.analysis);
  flags("threads", state->threads, "threads; 0: one a core", io::between(0, 1024));
  flags("heads", state->heads, "show every head, not only the mean over heads");
  flags("list", state->list, "show the measures and end");
  flags("keep_sequences", state->places.keep_sequences,
        "also write analysis/NAME.sequences.jsonl, a line for each sequence with its own figures");
  command
      ->add_option(
          "--correlate", state->correlate,
          "how measures go with this, over heads and over sequences: another measure, importance (with "
          "--importance), answer, label (of two) or tokens of the sequences, or a number of --scores; commas between")
      ->delimiter(',')
      ->type_name("NAME");
  command
      ->add_option(
          "--scores", state->scores,
          "JSON lines with numbers by id (of a task's examples, as RUN/eval/*.predictions.jsonl has them), or with "
          "--checkpoints by step, in the place of the validation loss")
      ->type_name("FILE.jsonl");
  flags.add("--what-if", state->what_if,
            "what refinement would change, at inference alone: high:0.005..0.4 (eight strengths), low:0.1, elemmul, "
            "commas between");
  flags("importance", state->importance,
        "what becomes of the model's answers when one head looks at the same keys whatever the query, head by head");
  flags("study_sequences", state->study_sequences, "sequences that --what-if and --importance take, the first ones",
        io::at_least(1));
  command
      ->add_option("--matrices", state->places.matrices,
                   "write A, B (which of plain attention are one) and G of some sequences for NumPy: A_0, B_0, G_0 "
                   "[layers, heads, L, L], "
                   "tokens_0 …")
      ->type_name("FILE.npz");
  flags("maps", state->places.maps,
        "write the maps of some sequences into the run, analysis/NAME.maps.json, where a report finds them");
  flags.add("--matrix-type", state->matrix_type, "of the numbers in --matrices");
  flags.add("--sequences", state->sequence_ids,
            "those for --maps, --matrices and --draw, commas between: their numbers from 1, or a task's ids (ID#N: an "
            "option)");
  flags.add("--draw", state->draw, "draw the map of one head, LAYER.HEAD from 0.0 on, for the first of --sequences");
  flags("name", state->places.name, "the record in the run folder is analysis/NAME.json; by default the text's name");
  command
      ->add_option("--into", state->places.into,
                   "keep the record, maps and sequences in this folder, which is made: for models that are no runs")
      ->type_name("FOLDER");
  command->add_option("--output", state->places.output, "write the JSON there too")->type_name("FILE.json");
  state->console.add_flag(*command);
  add_example(*command,
              "Examples:\n"
              "  saobp analyze runs/demo/high --text runs/demo/analysis.txt --heads\n"
              "  saobp analyze runs/demo/original --compare runs/demo/high --text analysis.txt\n"
              "  saobp analyze runs/sst2 --task sst2 --data data/sst2 --measures all");
  command->callback([state, command] {
    refuse_empty_values(*command);
    state->run();
  });
}

}  // namespace saobp::cli
