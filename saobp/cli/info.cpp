#include "saobp/attention/refined_attention.h"
#include "saobp/cli/commands.h"
#include "saobp/cli/console.h"
#include "saobp/cli/flags.h"
#include "saobp/cli/info_folder.h"
#include "saobp/cli/openmp_waits.h"
#include "saobp/model/config.h"
#include "saobp/train/run_folder.h"

namespace saobp::cli {
namespace {

void run(Console& console) {
  io::Json info = train::describe_host();
  attention::AttentionOptions options;
  options.strength = 0.2;
  auto x = torch::zeros({1, 1, 8, 64});
  info["attention_kernel"] = attention::kernel_for(x, x, x, options);
  info["waiting_threads"] = openmp_waits();
  for (const auto& [key, value] : info.items()) {
    std::string line = key + std::string(18 - std::min<size_t>(17, key.size()), ' ');
    console.line(line + (value.is_string() ? value.get<std::string>() : value.dump()));
  }
  console.line("");
  console.line("model         layers  hidden  heads  parameters  default strength");
  for (const char* name : {"bert-mini", "bert-small", "bert-medium", "gpt2-mini", "gpt2-small", "gpt2-medium"}) {
    const auto c = model::model_preset(name);
    char text[120];
    std::snprintf(text, sizeof text, "%-12s  %6lld  %6lld  %5lld  %10lld  %16.4f", name,
                  static_cast<long long>(c.num_hidden_layers), static_cast<long long>(c.hidden_size),
                  static_cast<long long>(c.num_attention_heads), static_cast<long long>(c.parameters()),
                  model::default_strength(c));
    console.line(text);
  }
  console.result(info);
}

}  // namespace

void add_info_command(CLI::App& app) {
  auto console = std::make_shared<Console>();
  auto folder = std::make_shared<std::string>();
  auto* command = app.add_subcommand(
      "info", "Show versions, processor, kernels and model sizes; or what a run folder or a model folder holds");
  command->add_option("folder", *folder, "run folder, or any model folder")->type_name("FOLDER");
  console->add_flag(*command);
  add_example(*command, "Examples:\n  saobp info\n  saobp info runs/demo/high");
  command->callback([console, folder] { folder->empty() ? run(*console) : show_folder(*folder, *console); });
}

}  // namespace saobp::cli
