#include <filesystem>

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/scores.h"
#include "saobp/tasks/scoring.h"

namespace saobp::cli {
namespace {

// Of a file that is called as evaluate calls it; else not known.
io::Json split_of(const std::string& file, const std::string& task) {
  const std::string end = ".predictions.jsonl";
  if (!file.starts_with(task + "-") || !file.ends_with(end)) return nullptr;
  return file.substr(task.size() + 1, file.size() - end.size() - task.size() - 1);
}

struct Score {
  std::string task, preset, predictions;
  bool by_length = false;
  Console console;

  void run() {
    const auto found = tasks::find_task(task, preset);
    const auto read = tasks::read_predictions(predictions);
    io::Json scores;
    try {
      scores = tasks::scores_of(found, read);
    } catch (const Error& error) {
      fail(predictions, ": ", error.what());
    }
    if (by_length && !scores.value("groups", io::Json::object()).contains("length"))
      fail(predictions, ": not every line has the \"tokens\" that --by-length goes by");
    console.line(scores_table({{found.name, "", scores}}, by_length));
    scores["split"] = split_of(std::filesystem::path(predictions).filename().string(), found.name);
    console.result({{"tasks", {{found.name, scores}}}});
  }
};

}  // namespace

void add_score_command(CLI::App& app) {
  auto state = std::make_shared<Score>();
  auto* command = app.add_subcommand("score", "Make a task's scores again from a file of predictions");
  command->add_option("--task", state->task, "its name (see saobp tasks list), or the .json file of one")->required();
  command->add_option("--preset", state->preset, "a variant of the task by its name, that of the predictions");
  command
      ->add_option("--predictions", state->predictions,
                   "TASK-SPLIT.predictions.jsonl: a JSON object a line with \"id\", \"gold\" and \"prediction\"")
      ->required()
      ->type_name("FILE");
  command->add_flag("--by-length", state->by_length, "also by the number of an example's tokens");
  state->console.add_flag(*command);
  add_example(*command,
              "Example:\n  saobp score --task sst2 \\\n    --predictions runs/sst2/eval/sst2-dev.predictions.jsonl");
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli
