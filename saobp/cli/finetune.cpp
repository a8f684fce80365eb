#include "saobp/recipes/finetune.h"

#include "saobp/cli/commands.h"
#include "saobp/cli/exit_code.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/reporter.h"
#include "saobp/cli/run_command.h"
#include "saobp/cli/scores.h"
#include "saobp/recipes/evaluate.h"
#include "saobp/recipes/suite.h"
#include "saobp/train/wording.h"

namespace saobp::cli {
namespace {

struct Finetune {
  recipes::FinetuneOptions options;
  std::string output, resume, grid;
  int64_t seeds = 1;
  Console console;
  CLI::App* app = nullptr;

  void run() {
    if (output.empty() == resume.empty()) fail_usage("one of --output (a new run) and --resume (an old one) is needed");
    const auto reporter = report_to(console);
    if (!resume.empty()) {
      for (const char* flag : {"--seeds", "--grid", "model"})
        if (app->get_option(flag)->count() > 0)
          fail_usage(flag == std::string_view("model") ? "FOLDER" : flag,
                     " does not go with --resume: a run goes on with what it has");
    } else if (options.task.task.empty()) {
      fail_usage("--task is missing: the name of one (see saobp tasks list)");
    }
    options.rate_of_task = app->get_option("--learning-rate")->count() == 0;
    options.warmup_of_task = app->get_option("--warmup-share")->count() == 0;
    const auto names = resume.empty() ? recipes::named_tasks(options.task.task) : std::vector<std::string>();
    const bool has_grid = app->get_option("--grid")->count() > 0;
    const bool several = names.size() > 1 || seeds > 1 || has_grid || !options.task.from_task.empty();
    if (resume.empty() && several) return run_suite(names, reporter);
    if (resume.empty())
      recipes::require_windows({tasks::find_task(names.front(), options.task.preset)}, options.train.overlap,
                               options.train.answer_windows_only);
    const auto outcome =
        resume.empty() ? recipes::finetune(options, output, reporter)
                       : recipes::resume_finetuning(resume, given_options(*app, recipes::to_json(options)), reporter);
    const std::string run = resume.empty() ? output : resume;
    end_if_interrupted(outcome, "finetune", run);
    if (outcome.rank > 0) return;
    if (outcome.final.contains("dev")) {
      std::vector<TaskScores> table;
      for (const auto& [name, split, scores] : recipes::split_scores(outcome.final))
        table.push_back({name, split, scores});
      console.line(scores_table(table));
    }
    console.line(concat("done        ", run));
    io::Json result = {{"run", run}};
    result.update(outcome.final);
    console.result(result);
  }

  void run_suite(const std::vector<std::string>& names, const train::Reporter& reporter) {
    const auto tried = app->get_option("--grid")->count() == 0 ? std::nullopt : std::optional(recipes::grid_from(grid));
    for (const char* flag : {"--batch", "--learning-rate"})
      if (tried && app->get_option(flag)->count() > 0) fail_usage(flag, " does not go with --grid, which chooses it");
    const auto outcome = recipes::run_suite(options, names, seeds, tried, output, reporter);
    if (outcome.interrupted) {
      Console::complain("interrupted; the same command goes on");
      throw ExitCode{kInterrupted};
    }
    std::vector<TaskScores> table;
    for (const auto& [task, scores] : outcome.summary.at("tasks").items())
      table.push_back({task, scores.at("split"), scores});
    console.line("\n" + scores_table(table));
    for (const auto& [name, value] : outcome.summary.at("averages").items())
      if (value.is_number()) console.line(concat(name, "  ", train::format("%.2f", 100 * value.get<double>())));
    console.line(concat("done        ", output));
    io::Json result = {{"run", output}};
    result.update(outcome.summary);
    console.result(result);
  }
};

}  // namespace

void add_finetune_command(CLI::App& app) {
  auto state = std::make_shared<Finetune>();
  auto* command = app.add_subcommand("finetune", "Fine-tune a model on a task, and score it on the dev set");
  state->app = command;
  command->add_option("model", state->options.start.from, "a run or another model folder")->type_name("FOLDER");
  command
      ->add_option(
          "--output", state->output,
          "run folder to make, e.g. runs/sst2-high; of several tasks or seeds the folder that holds their runs")
      ->type_name("FOLDER");
  command
      ->add_option("--resume", state->resume,
                   "run folder to go on with, from its newest checkpoint, and with the options that it has")
      ->type_name("FOLDER");
  command
      ->add_option("--seeds", state->seeds,
                   "runs of each task, with --seed and those after it, each in a folder of its own: OUTPUT/TASK/seed-N")
      ->check(CLI::Range(1, 1000, "1 to 1000"))
      ->type_name("N");
  command
      ->add_option(
          "--grid", state->grid,
          "try several settings on a tenth of the training set that is held back (or as --holdout says), and "
          "take the best: turc (batches of 8 to 128, rates of 3e-5 to 3e-4, 4 epochs), or BATCH,…:RATE,…, such "
          "as 16,32:1e-4,5e-5")
      ->type_name("TEXT");
  recipes::FinetuneOptions::sections(state->options, [&](const char* name, auto& section) {
    auto* group = command->add_option_group(name);
    using Section = std::remove_reference_t<decltype(section)>;
    Section::fields(section, [&](const char* field, auto& value, const char* help, const io::Limits& limits = {}) {
      if (std::string_view(field) != "from") FieldsToFlags{*group}(field, value, help, limits);
    });
  });
  state->console.add_flag(*command);
  add_example(*command,
              "Examples:\n"
              "  saobp finetune runs/mini-high --task sst2 --data glue --output runs/sst2\n"
              "  saobp finetune models/minilm --task rte --data glue --attention high \\\n"
              "    --output runs/rte\n"
              "  saobp finetune runs/mini-high --task glue --seeds 5 --data glue \\\n"
              "    --output runs/mini-high-glue\n"
              "  saobp finetune --resume runs/rte");
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli
