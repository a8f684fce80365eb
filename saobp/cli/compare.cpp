#include "saobp/recipes/compare.h"

#include <cmath>

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/flags.h"
#include "saobp/io/words.h"
#include "saobp/recipes/evaluate.h"
#include "saobp/scores/shown.h"
#include "saobp/train/wording.h"

namespace saobp::cli {
namespace {

using train::format;

struct Compare {
  std::vector<std::string> runs;
  std::string task, preset, split = "dev", score;
  Console console;

  void run() {
    if (runs.size() < 2) fail_usage("two or more runs are needed, found ", runs.size());
    auto all = io::Json::array();
    io::Json left_out = io::Json::object();
    const auto names = recipes::named_tasks(task);
    for (const auto& name : names) try {
        for (size_t n = 1; n < runs.size(); ++n) {
          const auto found = recipes::compare_runs(runs[0], runs[n], name, preset, split, score);
          tell(found);
          all.push_back(found);
        }
      } catch (const tasks::NotAsked& error) {
        if (names.size() == 1) throw;
        left_out[name] = error.what();
        console.line(concat("left out    ", name, ": ", error.what()));
      }
    if (all.empty()) fail("--task: of none of ", io::listed(names, "and"), " there are predictions in all of the runs");
    io::Json result = {{"comparisons", all}};
    if (!left_out.empty()) result["left_out"] = left_out;
    console.result(result);
  }

  void tell(const io::Json& found) {
    const double unit = scores::unit_of(found.at("score").get<std::string>());
    const auto points = [unit](const io::Json& value) {
      const double number = value.is_number() ? value.get<double>() : NAN;
      return std::isfinite(number) ? format("%.2f", unit * number) : std::string("undefined");
    };
    const auto& difference = found.at("difference");
    const auto text = [&](const char* side) { return found.at(side).at("run").get<std::string>(); };
    const auto verdict = found.at("verdict").get<std::string>(), unsure = found.at("unsure").get<std::string>();
    console.line(concat(found.at("task").get<std::string>(), " ", found.at("split").get<std::string>(), ", ",
                        found.at("score").get<std::string>(), ": ", text("first"), " ",
                        points(found.at("first").at("value")), ", ", text("second"), " ",
                        points(found.at("second").at("value"))));
    console.line(concat(
        "  the second is ",
        verdict == "better" || verdict == "worse" ? verdict : "neither shown to be better nor worse",
        unsure.empty() ? "" : concat(" (", unsure, ")"), ": difference ", points(difference.at("value")),
        ", 95 % interval ", points(difference.at("low")), " to ", points(difference.at("high")),
        ", p = ", difference.at("p").is_number() ? format("%.3g", difference.at("p").get<double>()) : "undefined"));
    console.line("  " + found.at("resampled").get<std::string>());
    const auto &of_first = found.at("first").at("versions"), &of_second = found.at("second").at("versions");
    if (!of_first.empty() && !of_second.empty() && of_first != of_second)
      console.line(concat("  they were scored by other versions of the task, ", of_first.dump(), " and ",
                          of_second.dump(), ", which make rows in other ways"));
    tell_settings(found);
    for (const char* side : {"first", "second"})
      if (const auto& seeds = found.at(side).at("diverged_seeds"); !seeds.empty())
        console.line(concat("  of the ", side, " ", io::counted(seeds.size(), "seed"),
                            " diverged and left no scores: ", seeds.dump()));
    if (const auto& test = found.at("mcnemar"); !test.is_null())
      console.line(concat("  McNemar: right in the first alone ", test.at("only_first_right").get<int64_t>(),
                          ", in the second alone ", test.at("only_second_right").get<int64_t>(),
                          format(", p = %.3g", test.at("p").get<double>())));
  }

  // Which runs of a side were not scored alike, and in what but their attention the sides were not.
  void tell_settings(const io::Json& found) {
    const auto listed = [](const io::Json& values) {
      return io::listed(values.get<std::vector<std::string>>(), "and");
    };
    const auto &first = found.at("first").at("scored_with"), &second = found.at("second").at("scored_with");
    for (const char* side : {"first", "second"})
      for (const auto& [name, values] : found.at(side).at("scored_with").items())
        if (values.size() > 1)
          console.line(concat("  the runs of the ", side, " were not scored alike: ", name, " ", listed(values)));
    for (const auto& [name, values] : first.items())
      if (!name.starts_with("attention") && !name.starts_with("strength") && second.contains(name) &&
          second.at(name) != values)
        console.line(
            concat("  they were scored with another ", name, ": ", listed(values), ", and ", listed(second.at(name))));
  }
};

}  // namespace

void add_compare_command(CLI::App& app) {
  auto state = std::make_shared<Compare>();
  auto* command = app.add_subcommand("compare", "Say whether a run is better than another on a task, or only lucky");
  command->add_option("runs", state->runs, "runs with scores, or folders of suites; each is compared with the first")
      ->required()
      ->type_name("FOLDER");
  command->add_option("--task", state->task, "one or several: sst2,rte")->required();
  command->add_option("--preset", state->preset, "the variant of the task that was scored, if it was one");
  command->add_option("--split", state->split, "whose predictions are compared")->capture_default_str();
  command->add_option("--score", state->score,
                      "by default the task's first one; of a decoder's likelihoods also accuracy_bytes and the like");
  state->console.add_flag(*command);
  add_example(*command, "Example:\n  saobp compare runs/mini-original-glue runs/mini-high-glue --task rte,sst2");
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli
