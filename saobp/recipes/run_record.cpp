#include "saobp/recipes/run_record.h"

#include "saobp/train/optimizer.h"
#include "saobp/train/wording.h"

namespace saobp::recipes {

io::Json new_record(const PretrainOptions& options, const model::ModelConfig& config, const RunKeys& keys,
                    const train::World& world) {
  const io::Json model = {{"name", options.model.from.empty() ? options.model.model : options.model.from},
                          {"parameters", config.parameters()},
                          {"attention", io::enum_name(config.refined_attention.attention)},
                          {"strength", config.refined_attention.strength},
                          {"layers", config.num_hidden_layers},
                          {"hidden_size", config.hidden_size},
                          {"heads", config.num_attention_heads}};
  return {{"command", "pretrain"},
          {"options", to_json(options)},
          {"model", model},
          {"keys", to_json(keys)},
          {"seed", options.train.seed},
          {"host", train::describe_host()},
          {"ranks", world.size()},
          {"job", world.launch().job},
          {"started", train::timestamp()},
          {"finished", nullptr},
          {"final", nullptr}};
}

void announce(const PretrainOptions& options, const model::ModelConfig& config, const RunText& text,
              const train::World& world, const fs::path& run, const train::Reporter& reporter) {
  const auto& t = options.train;
  const auto& r = config.refined_attention;
  const std::string attention = io::enum_name(r.attention);
  reporter.note("model", options.model.from.empty() ? options.model.model : options.model.from, ", ",
                io::counted(config.parameters(), "parameter"), ", ", attention, " attention",
                r.strength > 0 ? train::format(", strength %.4g", r.strength) : "",
                strength_changes(options.model) ? " at the start" : "");
  text.announce(reporter);
  reporter.note("training", io::counted(t.steps, "step"), " of ",
                io::counted(t.batch * t.accumulation * world.size() * t.length, "token"), ", ",
                io::counted(at::get_num_threads(), "thread"),
                world.size() > 1 ? concat(" on each of ", world.size(), " ranks") : "", ", into ", run.string());
  if (const int64_t warmup = options.optimizer.warmup_steps; warmup >= t.steps)
    reporter.note("warm-up", "of ", io::counted(warmup, "step"), ", longer than the run: the learning rate ",
                  "ends at ", train::format("%.3g", train::learning_rate(options.optimizer, t.steps, t.steps)), " of ",
                  train::format("%.3g", options.optimizer.learning_rate));
}

bool RunRecord::began_as(const train::Launch& launch) const {
  return launch.attempt > 0 || (!launch.job.empty() && launch.job == job);
}

RunRecord read_record(const fs::path& run) {
  const auto path = run / "run.json";
  const auto record = io::read_json(path);
  if (!record.contains("options")) fail(path.string(), ": \"options\" is missing: not the record of a pretraining run");
  const bool finished = record.contains("finished") && !record["finished"].is_null();
  const auto final = finished ? io::require<io::Json>(record, "final", path.string()) : io::Json();
  if (finished) io::require<int64_t>(final, "step", path.string() + ": \"final\"");
  return {pretrain_options_from_json(record["options"], path.string() + ": options"),
          io::get_or<std::string>(record, "job", "", path.string()), final};
}

}  // namespace saobp::recipes
