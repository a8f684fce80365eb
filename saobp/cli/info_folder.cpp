#include "saobp/cli/info_folder.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "saobp/io/fields.h"
#include "saobp/io/file.h"
#include "saobp/model/config.h"
#include "saobp/text/tokenizer.h"

namespace saobp::cli {
namespace {

namespace fs = std::filesystem;
using io::Json;

// The last lines of metrics.jsonl about a step and about a validation, and the lowest of these. A line that was cut
// off while it was written is no line.
struct Losses {
  Json step = nullptr, validation = nullptr, lowest = nullptr;

  explicit Losses(const fs::path& metrics) {
    if (!fs::exists(metrics)) return;
    const std::string text = io::read_file(metrics);
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      const auto line = Json::parse(std::string_view(text).substr(at, end - at), nullptr, /*allow_exceptions=*/false);
      at = end + 1;
      if (!line.is_object() || !line.contains("step")) continue;
      if (line.contains("loss") && line.at("loss").is_number()) step = line;
      if (!line.contains("validation_loss") || !line.at("validation_loss").is_number()) continue;
      validation = line;
      if (lowest.is_null() || line.at("validation_loss") < lowest.at("validation_loss")) lowest = line;
    }
  }
};

std::vector<std::string> names_in(const fs::path& folder, const std::string& begin, const std::string& end) {
  std::vector<std::string> names;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(begin) && name.ends_with(end) && name.find(".partial") == std::string::npos)
      names.push_back(name.substr(0, name.size() - end.size()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Description {
 public:
  Description(const fs::path& folder, Console& console) : folder_(folder), console_(console) {}

  void model() {
    if (!fs::exists(folder_ / "config.json")) return;
    const auto c = model::read_config(folder_ / "config.json");
    line("model",
         concat(c.family->title, ", ", io::counted(c.num_hidden_layers, "layer"), " of ",
                io::counted(c.hidden_size, "channel"), ", ", io::counted(c.num_attention_heads, "head"), ", ",
                io::counted(c.max_length(), "position"),
                c.trained_positions > 0 ? concat(" (", c.trained_positions, " trained)") : "", ", ", "a vocabulary of ",
                io::grouped(c.vocab_size), ", ", io::counted(c.parameters(), "parameter")));
    const auto& refined = c.refined_attention;
    std::string strengths;
    for (const auto& heads : refined.strengths) {
      std::vector<std::string> each;
      each.reserve(heads.size());
      for (double strength : heads) each.push_back(io::in_short(strength));
      strengths += (strengths.empty() ? "" : ", ") + (each.size() == 1 ? each[0] : "(" + joined(each) + ")");
    }
    if (strengths.empty()) strengths = io::in_short(refined.strength);
    line("attention", io::enum_name(refined.attention) +
                          (attention::has_strength(refined.attention) ? ", λ = " + strengths : "") +
                          (refined.strength_length > 0 ? concat(", for rows of ", refined.strength_length) : "") +
                          (refined.qk_norm ? ", with QK-norm" : ""));
    json["model"] = {{"family", c.family->name},
                     {"layers", c.num_hidden_layers},
                     {"hidden_size", c.hidden_size},
                     {"heads", c.num_attention_heads},
                     {"positions", c.max_length()},
                     {"vocab_size", c.vocab_size},
                     {"trained_positions", c.trained_positions > 0 ? io::Json(c.trained_positions) : io::Json()},
                     {"parameters", c.parameters()}};
    json["refined_attention"] = model::to_json(refined);
  }

  void tokenizer() {
    for (const char* name : {"tokenizer.json", "vocab.txt", "vocab.json"}) {
      if (!fs::exists(folder_ / name)) continue;
      const auto tokenizer = text::load_tokenizer(folder_ / name);
      line("tokenizer", concat(name, ", ", tokenizer->kind(), ", ", io::counted(tokenizer->vocab_size(), "token")));
      json["tokenizer"] = {{"file", name}, {"kind", tokenizer->kind()}, {"vocab_size", tokenizer->vocab_size()}};
      return;
    }
    line("tokenizer", "none is in this folder");
  }

  void run() {
    const auto path = folder_ / "run.json";
    if (!fs::exists(path)) return;
    const auto record = io::read_json(path);
    const std::string source = path.string();
    const auto options = io::get_or<Json>(record, "options", Json::object(), source);
    const auto part = [&](const char* name) { return io::get_or<Json>(options, name, Json::object(), source); };
    const auto finished = io::get_or<std::string>(record, "finished", "", source);
    const auto steps = io::get_or<int64_t>(part("train"), "steps", 0, source);
    const Losses losses(folder_ / "metrics.jsonl");
    const auto checkpoints = names_in(folder_ / "checkpoints", "step-", "");
    int64_t done = losses.step.is_null() ? 0 : losses.step.at("step").get<int64_t>();
    if (!finished.empty())
      done = io::get_or<int64_t>(io::get_or<Json>(record, "final", Json::object(), source), "step", done, source);
    const auto command = io::get_or<std::string>(record, "command", "pretrain", source);
    line("steps",
         concat(io::grouped(done), steps > 0 ? " of " + io::grouped(steps) : "", ", begun ",
                io::get_or<std::string>(record, "started", "at a time not recorded", source),
                finished.empty() ? concat(", not finished (saobp ", command, " --resume ", folder_.string(), ")")
                                 : ", finished " + finished));
    task(record, source);
    if (!losses.step.is_null()) line("loss", at_step(losses.step, "loss"));
    if (!losses.validation.is_null())
      line("validation", at_step(losses.validation, "validation_loss") + "; lowest " +
                             at_step(losses.lowest, "validation_loss") +
                             (fs::exists(folder_ / "best") ? ", in best/" : ""));
    line("checkpoints", checkpoints.empty() ? "none" : joined(checkpoints));
    texts("trained on", io::get_or<Json>(part("corpus"), "corpus", Json::array(), source));
    texts("validated on", io::get_or<Json>(part("train"), "validation", Json::array(), source));
    if (const auto share = io::get_or<double>(part("corpus"), "holdout", 0, source); share > 0)
      line("validated on", concat(io::in_short(100 * share), " % of these documents, held out"));
    json["steps"] = {{"done", done}, {"of", steps}, {"finished", !finished.empty()}};
    json["losses"] = {{"training", losses.step}, {"validation", losses.validation}, {"lowest", losses.lowest}};
    json["checkpoints"] = checkpoints;
    json["options"] = options;
  }

  void analyses() {
    auto names = names_in(folder_ / "analysis", "", ".json");
    std::erase_if(names, [](const std::string& name) { return name.ends_with(".maps"); });
    json["analyses"] = names;
    if (!names.empty()) line("analyses", joined(names));
    if (fs::exists(folder_ / "report.html")) line("report", (folder_ / "report.html").string());
  }

  Json json = Json::object();

 private:
  static std::string joined(const std::vector<std::string>& words) { return io::listed(words, "and"); }

  static std::string at_step(const Json& line, const char* key) {
    return concat(io::in_short(line.at(key).get<double>()), " at step ", io::grouped(line.at("step").get<int64_t>()));
  }

  // Of a fine-tuning run: what it was trained on, and the scores that it ended with.
  void task(const Json& record, const std::string& source) {
    const auto task = io::get_or<Json>(record, "task", Json(), source);
    if (!task.is_object()) return;
    const auto where = source + ": \"task\"";
    line("task", concat(io::get_or<std::string>(task, "name", "without a name", where), ", ",
                        io::counted(io::get_or<int64_t>(io::get_or<Json>(task, "train", Json::object(), where),
                                                        "examples", 0, where),
                                    "example")));
    const auto final = io::get_or<Json>(record, "final", Json(), source);
    const auto dev = final.is_object() ? final.value("dev", Json()) : Json();
    const auto scores = dev.is_object() ? dev.value("scores", Json()) : Json();
    json["scores"] = scores;
    if (!scores.is_object()) return;
    for (const auto& [name, score] : scores.items())
      if (score.is_object() && score.value("value", Json()).is_number())
        line("dev", concat(name, " ", io::in_short(score.at("value").get<double>())));
  }

  void texts(const char* name, const Json& paths) {
    if (!paths.is_array()) return;
    for (const auto& path : paths)
      if (path.is_string()) line(name, path.get<std::string>());
  }

  void line(const std::string& name, const std::string& text) {
    console_.line(name + std::string(14 - std::min<size_t>(13, name.size()), ' ') + text);
  }

  fs::path folder_;
  Console& console_;
};

}  // namespace

void show_folder(const fs::path& folder, Console& console) {
  if (!fs::is_directory(folder)) fail(folder.string(), ": is not a folder; a run or a model folder was expected");
  if (!fs::exists(folder / "config.json") && !fs::exists(folder / "run.json"))
    fail(folder.string(), ": holds neither config.json nor run.json; a run or a model folder was expected");
  Description description(folder, console);
  description.model();
  description.tokenizer();
  description.run();
  description.analyses();
  console.result(description.json);
}

}  // namespace saobp::cli
