#include "saobp/cli/analysis_places.h"

#include <algorithm>

#include "saobp/io/file.h"
#include "saobp/recipes/checkpoint_model.h"
#include "saobp/recipes/recipe.h"
#include "saobp/train/run_folder.h"

namespace saobp::cli {

namespace fs = std::filesystem;

namespace {

bool is_run(const std::string& folder) { return !folder.empty() && fs::exists(fs::path(folder) / "run.json"); }

bool same_place(const fs::path& a, const fs::path& b) {
  std::error_code of_a, of_b;
  const auto whole_a = fs::weakly_canonical(a, of_a), whole_b = fs::weakly_canonical(b, of_b);
  return of_a || of_b ? a == b : whole_a == whole_b;  // a name may be too long to be looked up
}

}  // namespace

fs::path analysis_path(const fs::path& run, const std::string& name) { return run / "analysis" / (name + ".json"); }

void save_analysis(const io::Json& json, const fs::path& run, const std::string& name) {
  io::make_folder(run / "analysis");
  io::write_json(analysis_path(run, name), json);
}

AnalysisPlace AnalysisPlaces::place_of(const std::string& folder) const {
  if (!into.empty()) return {into, name};
  if (const auto run = recipes::run_of_checkpoint(folder); run && of_checkpoints)
    return {run->string(), name + "." + fs::path(folder).filename().string()};
  return {is_run(folder) ? folder : "", name};
}

void AnalysisPlaces::check(const std::vector<fs::path>& models) const {
  if (name.starts_with('.') || name.find('/') != std::string::npos)
    fail_usage("--name: the record would be called ", name,
               "; a name without / that does not begin with . was expected");
  if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < ' ' || c == 127; }))
    fail_usage("--name: the record's name would hold a control character; a name without was expected");
  // Names of files end at 255 bytes, and a record's is followed by its step, its kind and a mark while it is written.
  if (constexpr size_t kLongest = 200; name.size() > kLongest)
    fail_usage("--name: the record's name would have ", name.size(), " bytes; at most ", kLongest, " were expected");
  for (const char* ending : {".maps", ".sequences"})
    if (name.ends_with(ending))
      fail_usage("--name: ", name, " was given; ", ending, " belongs to files beside a record");
  if (name.find(".step-") != std::string::npos)
    fail_usage("--name: ", name, " was given; .step- belongs to records of checkpoints");
  if (!into.empty() && (models.size() > 1 || of_checkpoints))
    fail_usage("--into keeps what is said of one model: it does not go with --compare or --checkpoints");
  const bool kept = of_checkpoints || !place_of(models.front().string()).run.empty();
  for (const auto& [flag, given] : {std::pair("--keep-sequences", keep_sequences), {"--maps", maps}})
    if (given && !kept)
      fail_usage(flag, ": ", models.front().string(), " is no run folder, which keeps them; --into FOLDER makes one");
  require_different(models);
}

void AnalysisPlaces::require_different(const std::vector<fs::path>& models) const {
  std::vector<std::pair<std::string, fs::path>> files;
  const auto add = [&](const std::string& flag, const fs::path& path) {
    std::error_code none;
    if (path.empty() || path == "-" || (fs::exists(path, none) && !fs::is_regular_file(path, none))) return;
    for (const auto& [other, taken] : files)
      if (same_place(taken, path)) fail_usage(flag, ": ", path.string(), " is what ", other, " writes already");
    files.emplace_back(flag, path);
  };
  for (const auto& folder : models)
    if (const auto place = place_of(folder); !place.run.empty()) {
      // A run compared with itself has one record, and --output of one model is the record.
      const bool again = &folder != &models.front() && same_place(folder, models.front());
      const bool both = models.size() == 1 && !of_checkpoints && same_place(output, place.path());
      if (!again && !both) add("--name of " + folder.string(), place.path());
      if (maps) add("--maps", place.maps());
      if (keep_sequences && &folder == &models.front()) add("--keep-sequences", place.sequences());
    }
  add("--output", output);
  add("--matrices", matrices);
}

void AnalysisPlaces::begin(const fs::path& model, const io::Json& described) const {
  if (into.empty() || same_place(into, model)) return;
  const auto path = fs::path(into) / "run.json";
  const io::Json about = {{"command", "analyze"},
                          {"options", {{"model", {{"from", fs::absolute(recipes::folder_name(model)).string()}}}}},
                          {"model", described}};
  if (fs::exists(path)) {
    const auto held = io::read_json(path);
    for (const char* part : {"command", "model"})
      if (!held.is_object() || held.value(part, io::Json()) != about.at(part))
        fail_usage("--into: ", into, " is not about this model: its run.json has another \"", part, '"');
    const auto from = held.value(io::Json::json_pointer("/options/model/from"), std::string());
    if (!same_place(from, model))
      fail_usage("--into: ", into, " is about the model in ", from, "; another folder was expected");
    return;
  }
  if (fs::exists(into) && !(fs::is_directory(into) && fs::is_empty(into)))
    fail_usage("--into: ", into, " exists and holds no run.json; a new folder, or one that --into made, was expected");
  io::make_folder(into);
  auto record = about;
  record["host"] = train::describe_host();
  record["started"] = train::timestamp();
  io::write_json(path, record);
}

// What an earlier analysis of the name left beside its record would no longer belong to it.
void AnalysisPlaces::remove_old(const AnalysisPlace& place) {
  for (const auto& [path, kept] : {std::pair(place.maps(), maps), {place.sequences(), keep_sequences}})
    if (!kept && fs::exists(path)) {
      fs::remove(path);
      written.push_back("removed: " + path.string() + ", which was of an earlier analysis");
    }
}

void AnalysisPlaces::keep(const io::Json& json, const AnalysisPlace& place, const std::string& sequences,
                          const io::Json& made_maps) {
  if (place.run.empty()) return;
  try {
    const bool again = fs::exists(place.path());
    save_analysis(json, place.run, place.name);
    written.push_back(concat("written: ", place.path().string(), again ? ", in the place of an earlier one" : ""));
    remove_old(place);
    if (!made_maps.is_null()) {
      io::write_json(place.maps(), made_maps);
      written.push_back("written: " + place.maps().string());
    }
    if (sequences.empty()) return;
    io::write_file(place.sequences(), sequences);
    written.push_back("written: " + place.sequences().string());
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    if (!output.empty())
      written.push_back(concat("note: ", error.what(), "; the record is in ", output, " alone"));
    else if (not_kept.empty())
      not_kept = error.what();
  }
}

}  // namespace saobp::cli
