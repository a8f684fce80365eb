#include "saobp/recipes/pretrain.h"

#include <filesystem>

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/exit_code.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/reporter.h"
#include "saobp/cli/run_command.h"
#include "saobp/recipes/dry_run.h"

namespace saobp::cli {
namespace {

struct Pretrain {
  recipes::PretrainOptions options;
  std::string output, resume;
  bool dry = false;
  Console console;
  CLI::App* app = nullptr;

  void run() {
    if (dry) return run_dry();
    if (output.empty() == resume.empty()) fail_usage("one of --output (a new run) and --resume (an old one) is needed");
    if (!resume.empty())
      if (app->count("--config") > 0)
        fail_usage("--config: does not go with --resume, which takes all options from ", resume, "/run.json");
    if (given("--from") && given("--model"))
      fail_usage("--model: does not go with --from, whose model has its own sizes");
    if (given("--model")) options.model.from.clear();  // that of --config
    drop_unused_strength();
    auto reporter = report_to(console);
    auto outcome = resume.empty()
                       ? recipes::pretrain(options, output, reporter)
                       : recipes::resume_pretraining(resume, given_options(*app, recipes::to_json(options)), reporter);
    const std::string run = resume.empty() ? output : resume;
    end_if_interrupted(outcome, "pretrain", run);
    if (outcome.rank > 0) return;
    console.line(concat("done        ", run, " (saobp analyze ", run, " --text FILE looks at its attention)"));
    io::Json result = {{"run", run}};
    result.update(outcome.final);
    console.result(result);
  }

  void run_dry() {
    if (!resume.empty()) fail_usage("--dry-run: does not go with --resume; it looks at a run that is to begin");
    if (!output.empty() && std::filesystem::exists(output))
      fail_usage("--output: ", output, " exists already; choose another one");
    drop_unused_strength();
    const auto found = recipes::dry_run(options, report_to(console));
    if (!found) throw ExitCode{kInterrupted};
    const auto& run = *found;
    const auto line = [&](const char* name, const std::string& text) { console.line(name + text); };
    line("rows        ", concat(io::grouped(run.rows), " of ", options.train.length, " tokens, ",
                                io::counted(run.tokens, "token"), " in all: ", io::in_short(run.epochs()), " × the ",
                                io::counted(run.corpus_rows, "row"), " of the corpus"));
    line("time        ", concat("about ", io::time_in_words(run.seconds), ", from ",
                                io::counted(run.measured_steps, "step"), " of ", io::time_in_words(run.seconds_a_step),
                                " each", run.validation_rows > 0 ? ", validations reckoned in" : ""));
    line("memory      ",
         concat(io::size_in_words(1e6 * static_cast<double>(run.peak_rss_mb)), " at most in these steps"));
    line("disk        ", concat("about ", io::size_in_words(run.folder_bytes), " for the run folder"));
    line("            ", "nothing was written");
    console.result(run.to_json());
  }

  // Strengths from --config are meant for the attention named there; those on the command line are not dropped.
  void drop_unused_strength() {
    auto& m = options.model;
    if (attention::has_strength(m.attention)) return;
    if (!given("--strength")) m.strength.reset();
    if (!given("--strengths")) m.strengths.clear();
    if (!given("--strength-length")) m.strength_length = 0;
    if (!given("--strength-warmup-steps")) m.strength_warmup_steps = 0;
    if (!given("--learn-strength")) m.learn_strength = recipes::LearnStrength::none;
  }

  bool given(const std::string& flag) const { return is_given(*app, flag); }
};

}  // namespace

void add_pretrain_command(CLI::App& app) {
  auto state = std::make_shared<Pretrain>();
  auto* command =
      app.add_subcommand("pretrain", "Pretrain a BERT (masked-language modelling) or a GPT-2 (causal) on text");
  state->app = command;
  command->add_option("--output", state->output, "run folder to make, e.g. runs/mini-high")->type_name("FOLDER");
  command
      ->add_option(
          "--resume", state->resume,
          "run folder to go on with, from its newest checkpoint, and with the options that it has; --steps N takes it "
          "further, as if it had been of N steps from the start (the learning rate of the next step follows from "
          "that); intervals and --threads can be given anew too")
      ->type_name("FOLDER");
  command->add_flag("--dry-run", state->dry,
                    "only find out how many rows, epochs and tokens it would be, and how much time and memory, from a "
                    "few steps; nothing is written");
  // Runs before the options below, which may overrule the file: CLI11 calls them in the order of their definition.
  command
      ->add_option_function<std::string>(
          "--config", [state](const std::string& file) { recipes::apply_settings(state->options, file); },
          "settings to start from: a file such as configs/bert-mini.json, or another run's run.json or folder; options "
          "given here overrule them")
      ->type_name("FILE");
  recipes::PretrainOptions::sections(state->options, [&](const char* name, auto& section) {
    auto* group = command->add_option_group(name);
    add_flags(*group, section);
  });
  state->console.add_flag(*command);
  add_example(*command,
              "Examples:\n"
              "  saobp pretrain --output runs/mini-high --config configs/bert-mini.json \\\n"
              "    --tokenizer runs/my-tokenizer --corpus text/ --holdout 0.01\n"
              "  saobp pretrain --output runs/more --from runs/mini-high --corpus text/\n"
              "  saobp pretrain --resume runs/mini-high");
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli
