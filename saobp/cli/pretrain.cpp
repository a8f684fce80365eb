#include "saobp/train/pretrain.h"

#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/exit_code.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/reporter.h"

namespace saobp::cli {
namespace {

struct Pretrain {
  train::PretrainOptions options;
  std::string output, resume;
  Console console;
  CLI::App* app = nullptr;

  void run() {
    if (output.empty() == resume.empty()) fail_usage("one of --output (a new run) and --resume (an old one) is needed");
    if (!resume.empty())
      if (app->count("--config") > 0)
        fail_usage("--config: does not go with --resume, which takes all options from ", resume, "/run.json");
    drop_unused_strength();
    auto reporter = report_to(console);
    auto outcome =
        resume.empty() ? train::pretrain(options, output, reporter) : train::resume(resume, changes(), reporter);
    if (outcome.rank > 0) {
      if (outcome.interrupted) throw ExitCode{kInterrupted};
      return;
    }
    const std::string run = resume.empty() ? output : resume;
    const bool closed = Console::output_closed();
    const std::string why = closed ? "standard output was closed" : "interrupted";
    if (outcome.interrupted) {
      Console::complain(!outcome.saved ? why + " before the first step; nothing was written"
                                       : concat(why, " at step ", outcome.step,
                                                "; the state is saved, go on with: saobp pretrain --resume ", run));
      throw ExitCode{closed ? kOutputClosed : kInterrupted};
    }
    console.line(concat("done        ", run, " (saobp analyze ", run, " --text FILE looks at its attention)"));
    io::Json result = {{"run", run}};
    result.update(outcome.final);
    console.result(result);
  }

  // Strengths from --config are meant for the attention named there; those on the command line are not dropped.
  void drop_unused_strength() {
    using attention::Variant;
    auto& m = options.model;
    if (m.attention == Variant::high || m.attention == Variant::low) return;
    if (!given("--strength")) m.strength.reset();
    if (!given("--strengths")) m.strengths.clear();
    if (!given("--strength-warmup-steps")) m.strength_warmup_steps = 0;
    if (!given("--learn-strength")) m.learn_strength = train::LearnStrength::none;
  }

  // What the command line says of a run that goes on, in the layout of run.json's options.
  io::Json changes() const {
    io::Json changed = io::Json::object();
    const auto all = train::to_json(options);
    for (const auto& [section, fields] : all.items())
      for (const auto& [name, value] : fields.items())
        if (given(flag_of(name))) changed[section][name] = value;
    return changed;
  }

  bool given(const std::string& flag) const {
    for (const auto* group : app->get_subcommands([](const CLI::App*) { return true; }))
      if (const auto* option = group->get_option_no_throw(flag)) return option->count() > 0;
    return false;
  }
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
  // Runs before the options below, which may overrule the file: CLI11 calls them in the order of their definition.
  command
      ->add_option_function<std::string>(
          "--config", [state](const std::string& file) { train::apply_settings(state->options, file); },
          "settings to start from, such as configs/bert-mini.json; options given here overrule them")
      ->type_name("FILE");
  train::PretrainOptions::sections(state->options, [&](const char* name, auto& section) {
    auto* group = command->add_option_group(name);
    add_flags(*group, section);
  });
  state->console.add_flag(*command);
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli
