#include "saobp/tasks/examples.h"
#include "saobp/tasks/task.h"

#include <filesystem>

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/outputs.h"
#include "saobp/cli/reporter.h"
#include "saobp/data/khop.h"
#include "saobp/io/file.h"
#include "saobp/io/words.h"
#include "saobp/recipes/task_rows.h"

namespace saobp::cli {
namespace {

void list(Console& console) {
  io::Json all = io::Json::array();
  for (const auto& name : tasks::task_names()) {
    const auto task = tasks::find_task(name);
    std::vector<std::string> splits;
    splits.reserve(task.splits.size());
    for (const auto& [split, files] : task.splits) splits.push_back(split);
    console.line(concat(name, std::string(14 - std::min<size_t>(14, name.size()), ' '), io::enum_name(task.kind), "; ",
                        io::listed(task.scores, "and"), "; ", io::listed(splits, "and"), "; ", task.source));
    all.push_back(task.json);
  }
  console.result({{"tasks", all}});
}

struct Khop {
  data::KhopOptions options;
  std::string output;
  Console console;

  void run() {
    if (std::filesystem::exists(output)) fail_usage("--output: ", output, " exists already; choose another one");
    data::write_khop(options, output);
    console.line(concat("written     ", output, " (saobp finetune MODEL --task khop --data ", output, ")"));
    console.result({{"folder", output}});
  }
};

void add_khop(CLI::App& tasks) {
  auto state = std::make_shared<Khop>();
  auto& o = state->options;
  auto* command = tasks.add_subcommand("khop", "Make questions over several hops, a task of its own");
  command->add_option("--output", state->output, "folder to make")->required()->type_name("FOLDER");
  command->add_option("--hops", o.hops, "hops of the examples, each as often, commas between")
      ->delimiter(',')
      ->type_name("N,…");
  FieldsToFlags add{*command};
  add("chains", o.chains, "chains in a text, one of which is asked for: so many options", io::between(2, 30));
  add("fillers", o.fillers, "sentences that say nothing", io::between(0, 1e5));
  add("distance", o.distance, "at least so many other sentences between two facts of a chain", io::between(0, 1e4));
  add("train", o.train, "examples to train on", io::between(0, 1e7));
  add("dev", o.dev, "examples of the dev set", io::between(0, 1e7));
  add("test", o.test, "examples of the test set", io::between(0, 1e7));
  add("seed", o.seed, "what they are made from", io::at_least(0));
  state->console.add_flag(*command);
  add_example(*command, "Example:\n  saobp tasks khop --hops 1,2,3 --fillers 10 --output data/khop");
  command->callback([state] { state->run(); });
}

struct Rows {
  recipes::TaskRowOptions options;
  std::string model, output = "/dev/stdout";
  Console console;

  void run() {
    if (options.task.empty()) fail_usage("--task is missing: the name of one (see saobp tasks list)");
    if (options.data.empty()) fail_usage("--data is missing: the folder with the task's files");
    const auto data = tasks::find_split(tasks::find_task(options.task, options.preset), options.split, options.data);
    prepare_output(output, "--output", files_of(model) + Paths{data});
    int64_t rows = 0;
    io::AtomicFile file(output);
    recipes::each_task_row(model, options, report_to(console), [&](const io::Json& row) {
      ++rows;
      file.write(row.dump() + "\n");
    });
    file.commit();
    console.line("written     " + output);
    console.result({{"rows", rows}});
  }
};

void add_rows(CLI::App& tasks) {
  auto state = std::make_shared<Rows>();
  auto* command = tasks.add_subcommand("rows", "Show what a model is fed for a task: ids, token types and targets");
  command->add_option("model", state->model, "a run or another model folder, for its tokenizer and its config")
      ->required()
      ->type_name("FOLDER");
  add_flags(*command, state->options);
  command->add_option("--output", state->output, "a JSON object a line; by default standard output")->type_name("FILE");
  state->console.add_flag(*command);
  add_example(*command, "Example:\n  saobp tasks rows runs/mini-high --task rte --data glue --rows 3");
  command->callback([state] { state->run(); });
}

}  // namespace

void add_tasks_command(CLI::App& app) {
  auto* command = app.add_subcommand("tasks", "List the tasks that finetune and evaluate know, or make one up");
  command->require_subcommand(1);
  auto console = std::make_shared<Console>();
  auto* listing = command->add_subcommand("list", "List the tasks, with their scores and splits");
  console->add_flag(*listing);
  add_example(*listing, "Example:\n  saobp tasks list");
  listing->callback([console] { list(*console); });
  add_khop(*command);
  add_rows(*command);
}

}  // namespace saobp::cli
