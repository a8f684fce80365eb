#include "saobp/recipes/finetune_options.h"

#include "saobp/io/words.h"

namespace saobp::recipes {

void apply(const RefinementOptions& options, model::ModelConfig& config) {
  auto& refined = config.refined_attention;
  if (options.attention && *options.attention != refined.attention) {
    refined.attention = *options.attention;
    refined.strengths.clear();
    refined.strength = has_strength(refined.attention) ? model::default_strength(config) : 0;
    if (!has_strength(refined.attention)) refined.strength_length = 0;
  }
  if (options.strength_length) {
    model::check_strength_length(refined.attention, *options.strength_length, "--strength-length");
    refined.strength_length = *options.strength_length;
  }
  if (!options.strength) return;
  model::check_strength(refined.attention, *options.strength, "--strength");
  refined.strengths.clear();
  refined.strength = *options.strength;
}

tasks::Task with_windows(tasks::Task task, int64_t overlap, bool answer_windows_only) {
  if (task.kind != tasks::Kind::span) return task;
  if (overlap > 0) task.overlap = overlap;
  task.answer_windows_only = answer_windows_only;
  return task;
}

void require_windows(const std::vector<tasks::Task>& all, int64_t overlap, bool answer_windows_only) {
  if (overlap == 0 && !answer_windows_only) return;
  std::vector<std::string> titles;
  for (const auto& task : all) {
    if (task.kind == tasks::Kind::span) return;
    titles.push_back(task.title);
  }
  fail_usage(overlap > 0 ? "--overlap" : "--answer-windows-only", ": was given; ", io::listed(titles, "and"),
             titles.size() == 1 ? " has" : " have", " no contexts that go in windows");
}

FinetuneOptions resolved(FinetuneOptions options, const tasks::Task& task) {
  const auto setting = [&](int64_t& value, const char* name, int64_t everyones) {
    if (value == 0) value = io::get_or<int64_t>(task.recipe, name, everyones, task.name + ": \"recipe\"");
  };
  setting(options.train.epochs, "epochs", 4);
  setting(options.train.batch, "batch", 32);
  setting(options.train.length, "length", 128);
  const bool windows = task.kind == tasks::Kind::span;
  if (!windows || options.train.overlap == 0) options.train.overlap = windows ? task.overlap : 0;
  options.train.answer_windows_only &= windows;
  const auto figure = [&](bool& of_task, double& value, const char* name) {
    if (of_task) value = io::get_or<double>(task.recipe, name, value, task.name + ": \"recipe\"");
    of_task = false;
  };
  figure(options.rate_of_task, options.optimizer.learning_rate, "learning_rate");
  figure(options.warmup_of_task, options.train.warmup_share, "warmup_share");
  if (options.train.patience > 0 && options.task.holdout == 0) options.task.holdout = 0.1;
  return options;
}

void check(const FinetuneOptions& options) {
  if (options.task.task.empty()) fail_usage("--task is missing: the name of one (see saobp tasks list)");
  if (options.task.data.empty()) fail_usage("--data is missing: the folder with the task's files");
  if (options.start.from.empty()) fail_usage("the model's folder is missing");
  check_limits(options);
  const auto& t = options.train;
  check_learned(t.learn_strength, options.optimizer);
  if (t.batch > 0 && t.length > 0 && t.batch > kMaxTokensAPass / t.length)
    fail_usage("--batch ", t.batch, " and --length ", t.length, ": ", t.batch, " · ", t.length,
               " tokens a pass were given; at most ", kMaxTokensAPass, " were expected");
}

}  // namespace saobp::recipes
