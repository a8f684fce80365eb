#include "saobp/cli/analysis_places.h"
#include "saobp/cli/analyze.h"
#include "saobp/cli/commands.h"
#include "saobp/cli/exit_code.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/open_model.h"
#include "saobp/cli/reporter.h"
#include "saobp/data/demo_text.h"
#include "saobp/io/file.h"
#include "saobp/recipes/maps.h"
#include "saobp/report/analysis_table.h"
#include "saobp/report/report.h"
#include "saobp/text/trainer.h"

namespace saobp::cli {
namespace {

namespace fs = std::filesystem;

// Two models small enough that both learn within about three minutes on two cores.
model::ModelConfig demo_model() {
  model::ModelConfig config;
  config.hidden_size = 128;
  config.num_hidden_layers = 3;
  config.num_attention_heads = 4;
  config.intermediate_size = 512;
  config.max_position_embeddings = 64;
  // Larger first weights, sinusoidal positions and no dropout let so small a model leave the unigram plateau in so
  // short a run.
  config.initializer_range = 0.08;
  return config;
}

constexpr int64_t kMaxSeed = 1'000'000'000;

struct Demo {
  std::string output = "runs/demo";
  int64_t steps = 800, documents = 10000, seed = 1;
  Console console;

  fs::path folder() const { return output; }

  std::string text(int64_t text_seed, int64_t count, const char* name) const {
    auto made = data::generate_demo_text({text_seed, count});
    io::write_file(folder() / name, made);
    return made;
  }

  recipes::PretrainOptions options(attention::Variant variant) const {
    recipes::PretrainOptions o;
    o.model.model = (folder() / "model.json").string();
    o.model.tokenizer = (folder() / "tokenizer.json").string();
    o.model.attention = variant;
    o.model.dropout = 0;
    o.model.sinusoidal_positions = true;
    o.corpus.corpus = {(folder() / "train.txt").string()};
    o.corpus.cache = (folder() / "cache").string();
    o.optimizer.learning_rate = 1.5e-3;
    o.optimizer.warmup_steps = std::max<int64_t>(1, steps / 10);
    o.train.steps = steps;
    o.train.batch = 32;
    o.train.length = 64;
    o.train.seed = seed;
    o.train.validation = {(folder() / "valid.txt").string()};
    o.train.validate_every = std::max<int64_t>(1, steps / 5);
    o.train.checkpoint_every = steps;
    o.train.keep_checkpoints = 1;
    o.monitor.monitor_every = std::max<int64_t>(1, steps / 20);
    return o;
  }

  fs::path pretrain(attention::Variant variant) {
    const fs::path run = folder() / io::enum_name(variant);
    console.line("");
    if (recipes::pretrain(options(variant), run, report_to(console)).interrupted) {
      Console::complain(
          concat("interrupted; ", output, " is left as it is, start the demo anew with another --output"));
      throw ExitCode{Console::output_closed() ? kOutputClosed : kInterrupted};
    }
    return run;
  }

  void run() {
    train::refuse_ranks("demo");
    if (fs::exists(folder())) fail(output, ": exists already; choose another --output");
    data::DemoTextOptions{seed, documents}.check();
    io::make_folder(folder());
    console.line(concat("making a text of ", io::counted(documents, "short story", "short stories"),
                        " in which answers take several facts: ", output, "/train.txt"));
    const std::string training = text(seed, documents, "train.txt");
    text(seed + 1'000'003, 200, "valid.txt");  // other seeds, other stories
    text(seed + 2'000'003, 100, "analysis.txt");
    auto tokenizer = text::train_tokenizer({.vocab_size = 1000}, {training});
    io::write_file(folder() / "tokenizer.json", tokenizer->to_json());
    io::write_json(folder() / "model.json", model::to_json(demo_model()));
    console.line(concat("learnt a WordPiece vocabulary of ", io::counted(tokenizer->vocab_size(), "token")));

    std::vector<fs::path> runs;
    for (auto variant : {attention::Variant::original, attention::Variant::high}) runs.push_back(pretrain(variant));
    const auto source = recipes::analysis_of_text({(folder() / "analysis.txt").string(), "--text"}, 0);
    const auto records = analyze_folders(runs, *source, {}, console);
    // Under the name that `saobp analyze` would give it, with the maps of two stories.
    for (size_t i = 0; i < runs.size(); ++i) {
      save_analysis(records[i], runs[i], "analysis");
      const auto opened = open_model(runs[i], "");
      const recipes::AnalyzedModel model{runs[i].string(), opened};
      const auto items = source->items(opened, recipes::common_length({model}, *source, {}), {});
      io::write_json(AnalysisPlace{runs[i].string(), "analysis"}.maps(),
                     recipes::maps_of(model, *source, items, {0, 1}, {}));
    }
    console.line("\nAttention of both models on " + output + "/analysis.txt");
    console.line(report::comparison_table(records[0], records[1], report::TableDetail::layers, "original", "high"));
    const auto page = folder() / "report.html";
    report::write_report(runs, {page, {}, {}}, "SAOBP demo: plain and refined attention on chains of facts");
    console.line("report: " + page.string());
    console.result({{"report", page.string()}, {"runs", {runs[0].string(), runs[1].string()}}});
  }
};

}  // namespace

void add_demo_command(CLI::App& app) {
  auto state = std::make_shared<Demo>();
  auto* command =
      app.add_subcommand("demo", "Train two tiny BERTs, plain and refined, on a made-up text and compare them");
  command->add_option("--output", state->output, "folder to make")->capture_default_str()->type_name("FOLDER");
  FieldsToFlags flags{*command};
  flags("steps", state->steps, "updates of each model's weights", io::between(1, 1e9));
  flags("documents", state->documents, "stories in the training text", io::between(1, 1e7));
  flags("seed", state->seed, "of text, weights and data order", io::between(0, kMaxSeed));
  state->console.add_flag(*command);
  add_example(*command, "Example:\n  saobp demo --output runs/demo");
  command->callback([state] { state->run(); });
}

}  // namespace saobp::cli
