#include "saobp/recipes/run_record.h"

#include "saobp/io/file.h"
#include "saobp/io/words.h"
#include "saobp/train/run_folder.h"
#include "saobp/train/wording.h"

namespace saobp::recipes {

io::Json new_record(const char* command, const io::Json& options, const io::Json& about, const RunKeys& keys,
                    const train::World& world) {
  io::Json record = {{"command", command}, {"options", options}};
  record.update(about);
  const io::Json rest = {{"keys", to_json(keys)},
                         {"seed", options.at("train").at("seed")},
                         {"host", train::describe_host()},
                         {"ranks", world.size()},
                         {"job", world.launch().job},
                         {"started", train::timestamp()},
                         {"finished", nullptr},
                         {"final", nullptr}};
  record.update(rest);
  return record;
}

io::Json describe_model(const std::string& name, const model::ModelConfig& config) {
  const auto& refined = config.refined_attention;
  io::Json model = {{"name", name},
                    {"parameters", config.parameters()},
                    {"attention", io::enum_name(refined.attention)},
                    {"strength", refined.strength}};
  if (refined.strength_length > 0) model["strength_length"] = refined.strength_length;
  model["family"] = config.family->name;
  model.update({{"layers", config.num_hidden_layers},
                {"hidden_size", config.hidden_size},
                {"heads", config.num_attention_heads}});
  return model;
}

std::string model_in_words(const std::string& name, const model::ModelConfig& config) {
  const auto& refined = config.refined_attention;
  return concat(name, ", ", io::counted(config.parameters(), "parameter"), ", ", io::enum_name(refined.attention),
                " attention", refined.strength > 0 ? train::format(", strength %.4g", refined.strength) : "",
                refined.strength_length > 0 ? concat(", for rows of ", refined.strength_length) : "");
}

bool RunRecord::began_as(const train::Launch& launch) const {
  return launch.attempt > 0 || (!launch.job.empty() && launch.job == job);
}

RunRecord read_record(const fs::path& run, const Recipe& recipe) {
  const auto path = run / "run.json";
  const auto record = io::read_json(path);
  if (!record.contains("options")) fail(path.string(), ": \"options\" is missing: not the record of a run that trains");
  const auto command = io::get_or<std::string>(record, "command", recipe.command, path.string());
  if (command != recipe.command)
    fail(path.string(), ": is the record of saobp ", command, "; that of saobp ", recipe.command, " was expected");
  const bool finished = record.contains("finished") && !record["finished"].is_null();
  const auto final = finished ? io::require<io::Json>(record, "final", path.string()) : io::Json();
  if (finished) io::require<int64_t>(final, "step", path.string() + ": \"final\"");
  return {command, recipe.read_options(record["options"], path.string() + ": options"),
          io::get_or<std::string>(record, "job", "", path.string()), final};
}

}  // namespace saobp::recipes
