// Every verb, one file each: it adds its subcommand, whose callback does the work and throws Error or UsageError.
#pragma once

#include <CLI/CLI.hpp>

namespace saobp::cli {

void add_tokenizer_command(CLI::App& app);
void add_pretrain_command(CLI::App& app);
void add_finetune_command(CLI::App& app);
void add_evaluate_command(CLI::App& app);
void add_compare_command(CLI::App& app);
void add_score_command(CLI::App& app);
void add_tasks_command(CLI::App& app);
void add_analyze_command(CLI::App& app);
void add_fill_command(CLI::App& app);
void add_generate_command(CLI::App& app);
void add_report_command(CLI::App& app);
void add_demo_command(CLI::App& app);
void add_info_command(CLI::App& app);
void add_help_command(CLI::App& app);
void add_completion_command(CLI::App& app);

// Below `bench`.
void add_bench_attention(CLI::App& bench);
void add_bench_train(CLI::App& bench);
void add_bench_infer(CLI::App& bench);
void add_bench_cost(CLI::App& bench);

}  // namespace saobp::cli
