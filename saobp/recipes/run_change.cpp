#include "saobp/recipes/run_change.h"

#include <algorithm>

#include "saobp/train/optimizer.h"
#include "saobp/train/run_folder.h"
#include "saobp/train/same_on_ranks.h"
#include "saobp/train/wording.h"

namespace saobp::recipes {
namespace {

std::string flag_of(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return "--" + name;
}

bool is_changeable(const std::string& flag) {
  const auto& flags = changeable_flags();
  return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) text += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
  return text;
}

// What of a source is no path: its weight, and where its documents end.
io::Json without_paths(const std::vector<std::string>& sources, data::DocumentEnd document) {
  auto json = io::Json::array();
  for (const auto& text : sources) {
    const auto source = data::parse_source(text, document);
    json.push_back({{"weight", source.weight ? io::Json(*source.weight) : io::Json()},
                    {"document", io::enum_name(source.document)}});
  }
  return json;
}

}  // namespace

io::Json shared_options(const PretrainOptions& options) {
  auto json = to_json(options);
  json["model"].erase("tokenizer");
  if (options.model.model.ends_with(".json")) json["model"].erase("model");
  json["model"].erase("from");
  for (const char* name : {"cache", "exclude"}) json["corpus"].erase(name);
  json["corpus"]["corpus"] = without_paths(options.corpus.corpus, options.corpus.document);
  json["train"]["validation"] = without_paths(options.train.validation, options.corpus.document);
  json["train"].erase("threads");
  json["distributed"].erase("rank_timeout");
  io::Json flat = io::Json::object();
  for (const auto& [section, fields] : json.items())
    for (const auto& [name, value] : fields.items()) {
      auto flag = "--" + name;
      std::replace(flag.begin(), flag.end(), '_', '-');
      flat[flag] = value;
    }
  return flat;
}

const std::vector<std::string>& changeable_flags() {
  static const std::vector<std::string> flags = {
      "--steps",       "--threads",     "--log-every", "--validate-every", "--checkpoint-every", "--keep-checkpoints",
      "--max-skipped", "--tensorboard", "--cache",     "--monitor-every",  "--monitor-rows",     "--monitor-probes",
      "--rank-timeout"};
  return flags;
}

PretrainOptions with_changes(const PretrainOptions& recorded, const io::Json& changes,
                             const std::filesystem::path& run) {
  for (const auto& [section, fields] : changes.items())
    for (const auto& [name, value] : fields.items())
      if (const auto flag = flag_of(name); !is_changeable(flag))
        fail_usage(flag, ": does not go with --resume, which takes the options from ", (run / "run.json").string(),
                   "; only ", listed(changeable_flags()), " can be given anew");
  auto options = recorded;
  apply_settings(options, changes, "--resume");
  return options;
}

void require_same_options(const io::Json& checkpoint, const PretrainOptions& now, const std::string& source) {
  const auto ours = shared_options(now);
  for (const auto& [flag, value] : ours.items())
    if (checkpoint.contains(flag) && checkpoint.at(flag) != value && !is_changeable(flag))
      fail(source, ": the run was trained with ", flag, " ", checkpoint.at(flag).dump(), ", and run.json says ",
           value.dump(), "; a resumed run needs the options that it began with");
}

void refuse_steps(int64_t steps, const std::filesystem::path& run, int64_t done) {
  fail_usage("--steps: ", steps, " was given; ", run.string(), " has done ", done, " steps; more were expected");
}

std::string new_schedule(const io::Json& checkpoint, const PretrainOptions& now, int64_t step) {
  const auto before = io::get_or<int64_t>(checkpoint, "--steps", now.train.steps, "state.json");
  if (before == now.train.steps) return "";
  return concat(now.train.steps, " steps, not ", before,
                ", from here on: as if it had been so from the start, the "
                "learning rate is ",
                train::format("%.3g", train::learning_rate(now.optimizer, step + 1, now.train.steps)), " in step ",
                step + 1, train::format(" (%.3g in step ", train::learning_rate(now.optimizer, step, before)), step,
                ")",
                now.optimizer.warmup_steps >= now.train.steps
                    ? concat("; the run ends within its warm-up of ", now.optimizer.warmup_steps, " steps")
                    : concat(" and follows the cosine to 0 after step ", now.train.steps, "; the warm-up stays at ",
                             now.optimizer.warmup_steps, " steps"));
}

std::string record_changes(io::Json& record, const PretrainOptions& now, int64_t step) {
  const auto before = record.at("options"), after = to_json(now);
  io::Json changed = io::Json::object();
  std::vector<std::string> words;
  for (const auto& [section, fields] : after.items())
    for (const auto& [name, value] : fields.items()) {
      const bool known = before.contains(section) && before.at(section).contains(name);
      if (!known || before.at(section).at(name) == value) continue;
      const auto& old = before.at(section).at(name);
      changed[flag_of(name)] = {{"before", old}, {"now", value}};
      words.push_back(concat(flag_of(name), " is ", value.dump(), ", not ", old.dump()));
    }
  if (changed.empty()) return "";
  io::Json change = {{"at", train::timestamp()}, {"step", step}, {"options", changed}};
  for (const char* end : {"finished", "final"})
    if (record.contains(end) && !record.at(end).is_null()) change[end] = record.at(end);
  record["changes"].push_back(change);
  record["options"] = after;
  record["finished"] = nullptr;
  record["final"] = nullptr;
  return listed(words);
}

}  // namespace saobp::recipes
