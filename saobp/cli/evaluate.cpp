#include "saobp/recipes/evaluate.h"

#include <ATen/Parallel.h>

#include <filesystem>

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/exit_code.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/reporter.h"
#include "saobp/cli/scores.h"
#include "saobp/io/words.h"

namespace saobp::cli {
namespace {

struct Evaluate {
  recipes::EvaluateOptions options;
  recipes::RefinementOptions refinement;
  std::string model, output;
  bool by_length = false;
  Console console;
  io::Json all = io::Json::object(), left_out = io::Json::object();  // by task: what was found, why it was not asked
  std::vector<TaskScores> table;

  void run() {
    if (options.task.empty()) fail_usage("--task is missing: the name of one (see saobp tasks list)");
    if (options.data.empty()) fail_usage("--data is missing: the folder with the task's files");
    if (options.threads > 0) at::set_num_threads(static_cast<int>(options.threads));
    if (!output.empty() && std::filesystem::exists(output) && !std::filesystem::is_directory(output))
      fail_usage("--output: ", output, " is a file; a folder was expected");
    const train::InterruptGuard guard;
    const bool is_run = std::filesystem::exists(std::filesystem::path(model) / "run.json");
    const auto folder = !output.empty() ? std::filesystem::path(output)
                        : is_run        ? std::filesystem::path(model) / "eval"
                                        : std::filesystem::path();
    const auto names = recipes::named_tasks(options.task);
    std::vector<tasks::Task> wanted;  // a name that is not known is told before work begins
    wanted.reserve(names.size());
    for (const auto& name : names) wanted.push_back(tasks::find_task(name, options.preset));
    recipes::require_windows(wanted, options.overlap);
    recipes::require_texts(wanted, options.stride);
    try {
      for (const auto& task : wanted) score(task, names.size() > 1, folder);
    } catch (...) {
      show_table();  // what was found until then took its time
      throw;
    }
    if (all.empty()) fail("--task: none of ", io::listed(names, "and"), " can be asked of ", model);
    show_table();
    if (folder.empty()) {
      console.line("the predictions were not kept: the model is no run's; --output FOLDER keeps them");
    } else {
      console.line(concat("written     ", folder.string()));
    }
    io::Json result = {{"tasks", all}};
    if (!left_out.empty()) result["left_out"] = left_out;
    console.result(result);
  }

  // Keeps what the model finds in the folder, unless that is empty, and what is to be shown.
  void score(const tasks::Task& task, bool among_others, const std::filesystem::path& folder) {
    io::Json settings;
    std::optional<recipes::Evaluation> found;
    try {
      found = asked(task, among_others, settings);
    } catch (const tasks::NotAsked& error) {
      if (!among_others) throw;
      left_out[task.name] = error.what();
      report_to(console).note("left out", task.name, ": ", error.what());
      return;
    }
    if (!found) throw ExitCode{kInterrupted};
    if (!folder.empty()) {
      const auto before = recipes::write_evaluation(*found, task, options.split, settings, folder);
      if (!before.empty()) report_to(console).note("replaced", before);
    }
    io::Json record = {{"split", options.split}};
    record.update(found->scores);
    for (const char* part : {"scores", "baselines"}) record.emplace(part, io::Json::object());  // without labels: none
    record["seconds"] = settings.at("seconds");
    all[task.name] = record;
    if (found->scores.contains("scores"))
      table.push_back({task.name, options.split, found->scores});
    else
      console.line(concat(task.name, ": the split has no labels, so there is no score"));
  }

  void show_table() {
    if (!table.empty()) console.line(scores_table(table, by_length));
  }

  // Among several tasks those that have no such split are left out, too.
  std::optional<recipes::Evaluation> asked(const tasks::Task& task, bool among_others, io::Json& settings) {
    if (among_others && !task.splits.contains(options.split))
      throw tasks::NotAsked(concat(task.title, " has no split ", options.split));
    return recipes::evaluate_task(options, refinement, model, task, report_to(console), settings);
  }
};

}  // namespace

void add_evaluate_command(CLI::App& app) {
  auto state = std::make_shared<Evaluate>();
  auto* command = app.add_subcommand("evaluate", "Score a model on tasks");
  command->add_option("model", state->model, "a run or another model folder")->required()->type_name("FOLDER");
  add_flags(*command, state->options);
  add_flags(*command, state->refinement);
  command->add_option("--output", state->output, "folder for scores and predictions; by default eval/ of a run")
      ->type_name("FOLDER");
  command->add_flag("--by-length", state->by_length, "also show the first score by the number of an example's tokens");
  state->console.add_flag(*command);
  add_example(*command,
              "Examples:\n"
              "  saobp evaluate runs/sst2-high --task sst2 --data glue\n"
              "  saobp evaluate runs/rte --task rte --data glue --split test --output out");
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli
