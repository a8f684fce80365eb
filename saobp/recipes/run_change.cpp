#include "saobp/recipes/run_change.h"

#include <algorithm>

#include "saobp/io/fields.h"
#include "saobp/train/optimizer.h"
#include "saobp/train/run_folder.h"
#include "saobp/train/wording.h"

namespace saobp::recipes {
namespace {

bool is_changeable(const Recipe& recipe, const std::string& flag) {
  return std::find(recipe.changeable.begin(), recipe.changeable.end(), flag) != recipe.changeable.end();
}

}  // namespace

io::Json with_changes(const Recipe& recipe, const io::Json& recorded, const io::Json& changes, const fs::path& run) {
  auto options = recorded;
  for (const auto& [section, fields] : changes.items())
    for (const auto& [name, value] : fields.items()) {
      const auto flag = io::flag_of(name);
      if (!is_changeable(recipe, flag))
        fail_usage(flag, ": does not go with --resume, which takes the options from ", (run / "run.json").string(),
                   "; only ", io::listed(recipe.changeable, "and"), " can be given anew");
      options[section][name] = value;
    }
  return recipe.read_options(options, "--resume");
}

void require_unchanged(const Recipe& recipe, const io::Json& checkpoint, const io::Json& options,
                       const std::string& source) {
  const auto ours = recipe.shared(options);
  for (const auto& [flag, value] : ours.items())
    if (checkpoint.contains(flag) && checkpoint.at(flag) != value && !is_changeable(recipe, flag))
      fail(source, ": the run was trained with ", flag, " ", checkpoint.at(flag).dump(), ", and run.json says ",
           value.dump(), "; a resumed run needs the options that it began with");
}

void refuse_steps(int64_t steps, const fs::path& run, int64_t done) {
  fail_usage("--steps: ", steps, " was given; ", run.string(), " has done ", done, " steps; more were expected");
}

std::string new_schedule(const io::Json& checkpoint, const train::OptimizerOptions& optimizer, int64_t steps,
                         int64_t step) {
  const auto before = io::get_or<int64_t>(checkpoint, "--steps", steps, "state.json");
  if (before == steps) return "";
  return concat(steps, " steps, not ", before,
                ", from here on: as if it had been so from the start, the "
                "learning rate is ",
                train::format("%.3g", train::learning_rate(optimizer, step + 1, steps)), " in step ", step + 1,
                train::format(" (%.3g in step ", train::learning_rate(optimizer, step, before)), step, ")",
                optimizer.warmup_steps >= steps
                    ? concat("; the run ends within its warm-up of ", optimizer.warmup_steps, " steps")
                    : concat(" and follows the ", io::enum_name(optimizer.schedule), " schedule to 0 after step ",
                             steps, "; the warm-up stays at ", optimizer.warmup_steps, " steps"));
}

std::string record_changes(io::Json& record, const io::Json& after, int64_t step) {
  const auto before = record.at("options");
  io::Json changed = io::Json::object();
  std::vector<std::string> words;
  for (const auto& [section, fields] : after.items())
    for (const auto& [name, value] : fields.items()) {
      const bool known = before.contains(section) && before.at(section).contains(name);
      if (!known || before.at(section).at(name) == value) continue;
      const auto& old = before.at(section).at(name);
      changed[io::flag_of(name)] = {{"before", old}, {"now", value}};
      words.push_back(concat(io::flag_of(name), " is ", value.dump(), ", not ", old.dump()));
    }
  if (changed.empty()) return "";
  io::Json change = {{"at", train::timestamp()}, {"step", step}, {"options", changed}};
  for (const char* end : {"finished", "final"})
    if (record.contains(end) && !record.at(end).is_null()) change[end] = record.at(end);
  record["changes"].push_back(change);
  record["options"] = after;
  record["finished"] = nullptr;
  record["final"] = nullptr;
  return io::listed(words, "and");
}

}  // namespace saobp::recipes
