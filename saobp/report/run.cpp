#include "saobp/report/run.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "saobp/io/base64.h"
#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/io/words.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

namespace fs = std::filesystem;
using io::Json;

// Adds a point. A run that was resumed logs some steps again: the later record of a step counts, and everything that
// the abandoned stretch had logged beyond it goes. True when something was dropped.
template <class T>
bool append(std::vector<T>& points, T point) {
  const size_t before = points.size();
  while (!points.empty() && points.back().step >= point.step) points.pop_back();
  const bool dropped = points.size() < before;
  points.push_back(std::move(point));
  return dropped;
}

struct MetricsReader {
  RunInput& run;
  int64_t not_finite = 0;
  std::vector<int64_t> damaged = {};  // lines
  bool resumed = false;

  // A loss that was not finite is written as null; a line may be about something else and have no loss at all.
  void read_loss(const Json& line, const char* key, std::vector<LossPoint>& points, const std::string& where) {
    if (!line.contains(key)) return;
    if (line.at(key).is_null()) {
      ++not_finite;
      return;
    }
    const LossPoint point{io::require<int64_t>(line, "step", where), io::require<double>(line, key, where)};
    if (!std::isfinite(point.value))
      ++not_finite;
    else if (append(points, point))
      resumed = true;
  }

  void read_monitor(const Json& line, const std::string& where) {
    if (!line.contains("attention")) return;
    if (append(run.monitored, {io::require<int64_t>(line, "step", where), read_matrix(line, "attention", "A", where),
                               read_matrix(line, "attention", "B", where)}))
      resumed = true;
  }

  void read_strengths(const Json& line, const std::string& where) {
    if (!line.contains("strengths")) return;
    Layers layers;
    for (const auto& layer : io::require<std::vector<Json>>(line, "strengths", where)) {
      const auto of = where + ": \"strengths\"";
      layers.push_back(layer.is_array() ? io::convert<std::vector<double>>(layer, of)
                                        : std::vector<double>{io::convert<double>(layer, of)});
    }
    append(run.strengths_logged, {io::require<int64_t>(line, "step", where), std::move(layers)});
  }

  // A line without a loss and without a look at attention is about scores, each under its name.
  void read_scores(const Json& line, const std::string& where) {
    if (line.contains("loss") || line.contains("validation_loss") || line.contains("attention")) return;
    if (line.contains("skipped_loss")) return;
    const auto step = io::require<int64_t>(line, "step", where);
    for (const auto& [name, value] : line.items()) {
      if (name == "step" || !value.is_number_float()) continue;
      auto found = std::find_if(run.score_curves.begin(), run.score_curves.end(),
                                [&, &name = name](const ScoreCurve& curve) { return curve.score == name; });
      if (found == run.score_curves.end()) {
        run.score_curves.push_back({name, {}});
        found = std::prev(run.score_curves.end());
      }
      resumed |= append(found->points, {step, value.get<double>()});
    }
  }

  void read(const fs::path& path) {
    const std::string text = io::read_file(path);
    int64_t number = 0;
    for (size_t at = 0; at < text.size();) {
      const size_t newline = text.find('\n', at);
      const bool complete = newline != std::string::npos;
      const std::string_view line(text.data() + at, (complete ? newline : text.size()) - at);
      at = complete ? newline + 1 : text.size();
      ++number;
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      const std::string where = concat(path.string(), ", line ", number);
      Json json;
      try {
        json = io::parse_json(line, where);
      } catch (const Error&) {
        if (complete) {
          damaged.push_back(number);
          continue;
        }
        run.remarks.push_back(concat("The last line of metrics.jsonl (line ", number,
                                     ") was cut off; it was left out. The run was probably stopped while writing it."));
        continue;
      }
      if (!json.is_object()) fail(where, ": is ", io::type_name(json), "; each line must be a JSON object");
      read_loss(json, "loss", run.train_loss, where);
      read_loss(json, "validation_loss", run.validation_loss, where);
      read_monitor(json, where);
      read_strengths(json, where);
      read_scores(json, where);
    }
    if (!damaged.empty())
      run.remarks.push_back(concat(io::counted(damaged.size(), "line"), " of metrics.jsonl (the first is line ",
                                   damaged[0], ") could not be read and ", damaged.size() == 1 ? "was" : "were",
                                   " left out."));
    if (not_finite > 0)
      run.remarks.push_back(
          concat(io::counted(not_finite, "logged loss was", "logged losses were"), " not finite and not drawn."));
    if (resumed) run.remarks.push_back("The run was resumed; steps that were logged twice show their later record.");
    if (run.train_loss.empty()) run.remarks.push_back("metrics.jsonl holds no training loss.");
  }
};

// Of a suite the settings are those of its first run.
void read_first_record(const fs::path& suite, RunInput& run) {
  std::vector<fs::path> records;
  for (const auto& task : run.tasks) {
    const auto folder = suite / task.name;
    if (!fs::is_directory(folder)) continue;
    for (const auto& entry : fs::directory_iterator(folder))
      if (fs::exists(entry.path() / "run.json")) records.push_back(entry.path() / "run.json");
  }
  if (records.empty()) return;
  std::sort(records.begin(), records.end());
  run.record = io::read_json(records.front());
  if (run.record.is_object()) run.record.erase("final");
  run.remarks.push_back(concat("A suite of ", io::counted(records.size(), "run"), "; the settings are those of ",
                               records.front().parent_path().lexically_relative(suite).string(), "."));
}

// What a suite's means do not tell: seeds without a score, and seeds whose score means nothing.
void remark_seeds(const TaskRecord& task, RunInput& run) {
  if (const auto diverged = task.scores.value("diverged_seeds", Json::array()); !diverged.empty())
    run.remarks.push_back(concat(task.name, ": ", io::counted(diverged.size(), "seed"),
                                 " diverged and left no scores: ", diverged.dump()));
  if (const auto failed = task.scores.value("failed_seeds", int64_t{0}); failed > 0)
    run.remarks.push_back(concat(task.name, ": ", failed, " of ",
                                 io::counted(task.scores.value("seeds", int64_t{0}), "seed"),
                                 " no better than always giving the most frequent answer."));
}

// A score that saobp evaluate made with another attention than the run's own stands beside the run all the same.
void remark_other_attention(const TaskRecord& task, const Json& own, RunInput& run) {
  const auto settings = task.scores.value("settings", Json::object());
  if (!settings.is_object() || !own.is_object()) return;
  std::string words;
  for (const char* name : {"attention", "strength", "strength_length"})
    if (settings.contains(name) && own.contains(name) && settings.at(name) != own.at(name))
      words += concat(words.empty() ? "" : ", ", name, " ", plain_text(settings.at(name)), ", not ",
                      plain_text(own.at(name)));
  if (!words.empty())
    run.remarks.push_back(concat(task.name, ", ", task.split, ": scored otherwise than the run was trained: ", words));
}

// Maps (recipes/maps.h) whose sizes agree, so that a page can rely on them.
Json checked_maps(const Json& json, const std::string& source) {
  const auto layers = io::require<int64_t>(json, "layers", source), heads = io::require<int64_t>(json, "heads", source);
  for (const char* key : {"model", "text"}) io::require<std::string>(json, key, source);
  if (const auto power = io::get_or<double>(json, "power", 1, source); !(power > 0))
    fail(source, ": \"power\" is ", power, "; a positive number was expected");
  for (const auto& sequence : io::require<std::vector<Json>>(json, "sequences", source)) {
    const auto where = concat(source, ": sequence \"", io::require<std::string>(sequence, "id", source), '"');
    const auto length = io::require<std::vector<std::string>>(sequence, "tokens", where).size();
    for (const char* key : {"special", "words", "types"})
      if (io::require<std::vector<int64_t>>(sequence, key, where).size() != length)
        fail(where, ": \"", key, "\" is not of the length of its tokens, ", length);
    const auto norms = io::require<std::vector<std::vector<std::vector<double>>>>(sequence, "norms", where);
    bool even = std::ssize(norms) == layers;
    for (const auto& of_layer : norms) {
      even &= std::ssize(of_layer) == heads;
      for (const auto& of_head : of_layer) even &= of_head.size() == length;
    }
    if (!even) fail(where, ": \"norms\" is not of ", layers, " layers of ", heads, " heads of ", length, " tokens");
    for (const char* matrix : {"A", "B"}) {
      if (matrix[0] == 'A' && !sequence.contains("A")) continue;
      const auto part = io::require<Json>(sequence, matrix, where);
      const auto scale = io::require<std::vector<std::vector<double>>>(part, "scale", where);
      const auto bytes = io::require<std::vector<std::vector<std::string>>>(part, "bytes", where);
      bool fits = std::ssize(scale) == layers && std::ssize(bytes) == layers;
      for (size_t layer = 0; fits && layer < bytes.size(); ++layer) {
        fits = std::ssize(scale[layer]) == heads && std::ssize(bytes[layer]) == heads;
        for (const auto& text : bytes[layer])
          fits = fits && io::from_base64(text, concat(where, ": \"", matrix, '"')).size() == length * length;
        for (double largest : scale[layer])
          if (!(largest >= 0 && largest < 2)) fail(where, ": a scale is ", largest, "; from 0 to 1 was expected");
      }
      if (!fits)
        fail(where, ": \"", matrix, "\" is not of ", layers, " layers of ", heads, " heads of ", length, " tokens");
    }
  }
  return json;
}

// "NAME.step-000250.json"
CheckpointAnalysis checkpoint_analysis(const fs::path& file) {
  const auto step = file.stem().extension().string().substr(6);  // behind ".step-"
  if (step.empty() || step.size() > 18 || step.find_first_not_of("0123456789") != std::string::npos)
    fail(file.string(), ": the name ends in \"", step, "\"; the number of a step was expected");
  return {file.stem().stem().string(), std::stoll(step), read_analysis(io::read_json(file), file.string())};
}

// Of a folder in the Hugging Face layout what its card shows.
Json model_alone(const fs::path& folder) {
  const auto path = folder / "config.json";
  const auto config = io::read_json(path);
  if (!config.is_object()) fail(path.string(), ": ", io::type_name(config), "; an object was expected");
  Json model = Json::object();
  for (const char* key : {"model_type", "num_hidden_layers", "hidden_size", "num_attention_heads", "n_layer", "n_embd",
                          "n_head", "refined_attention"})
    if (config.contains(key)) model[key] = config.at(key);
  if (!model.contains("refined_attention")) model["attention"] = "original";
  return {{"command", "analyze"}, {"model", model}};
}

}  // namespace

bool RunInput::trains() const { return !record.is_object() || record.value("command", Json()) != "analyze"; }

RunInput read_run(const fs::path& folder) {
  if (!fs::is_directory(folder)) fail(folder.string(), ": not a folder; a run folder was expected");
  RunInput run;
  run.folder = folder;
  // "runs/mini/" and "." have an empty or useless last part.
  const auto whole = fs::weakly_canonical(folder);
  run.name = whole.has_filename() ? whole.filename().string() : whole.parent_path().filename().string();

  run.tasks = read_tasks(folder);
  if (const auto suite = folder / "suite.json"; fs::exists(suite)) {
    read_first_record(folder, run);
    for (const auto& task : run.tasks) remark_seeds(task, run);
    return run;
  }
  const fs::path record = folder / "run.json", metrics = folder / "metrics.jsonl", analyses = folder / "analysis";
  if (!fs::exists(record) && !fs::exists(metrics)) {
    if (!fs::exists(folder / "config.json"))
      fail(folder.string(), ": holds neither run.json nor metrics.jsonl nor suite.json; a run folder was expected");
    run.record = model_alone(folder);
    run.remarks.push_back(
        "A model's folder, which keeps no analyses: saobp analyze MODEL --into FOLDER makes a folder that "
        "does, and that a report takes.");
    return run;
  }
  if (fs::exists(record)) {
    run.record = io::read_json(record);
    if (!run.record.is_object()) fail(record.string(), ": ", io::type_name(run.record), "; an object was expected");
  } else {
    run.remarks.push_back("run.json is missing: settings and final figures were not recorded.");
  }
  if (const fs::path config = folder / "config.json"; fs::exists(config)) {
    const auto json = io::read_json(config);
    const auto block = io::get_or<Json>(json, "refined_attention", nullptr, config.string());
    run.strengths = io::get_or<Json>(block, "strengths", nullptr, config.string());
    for (const auto& task : run.tasks) remark_other_attention(task, block, run);
  }
  if (fs::exists(metrics))
    MetricsReader{run}.read(metrics);
  else if (run.trains())
    run.remarks.push_back("metrics.jsonl is missing: no losses were recorded.");

  if (fs::is_directory(analyses)) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(analyses))
      if (entry.is_regular_file() && entry.path().extension() == ".json") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      const auto stem = file.stem();
      if (stem.extension() == ".maps") {
        run.maps.push_back(checked_maps(io::read_json(file), file.string()));
        run.maps.back()["name"] = stem.stem().string();
      } else if (stem.extension().string().starts_with(".step-")) {
        run.checkpoints.push_back(checkpoint_analysis(file));
      } else {
        run.analyses.push_back(read_analysis(io::read_json(file), file.string()));
      }
    }
    std::stable_sort(run.checkpoints.begin(), run.checkpoints.end(),
                     [](const auto& a, const auto& b) { return std::tie(a.name, a.step) < std::tie(b.name, b.step); });
  }
  if (run.analyses.empty() && run.checkpoints.empty() && run.tasks.empty())
    run.remarks.push_back("No analysis of the attention was recorded.");
  return run;
}

}  // namespace saobp::report
