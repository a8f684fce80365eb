// Options of a command as named sections, each a struct of fields (io/fields.h): the layout of run.json's "options" and
// of the files in configs/. A struct of options visits its sections:
//
//   template <class Self, class Visitor>
//   static void sections(Self& self, Visitor&& visit) {
//     visit("train", self.train);
//   }
//
// What does not care which command it is takes them as JSON.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "saobp/io/fields.h"
#include "saobp/io/json.h"

namespace saobp::recipes {

template <class Options>
concept Sectioned = requires(Options& options) { Options::sections(options, [](const char*, auto&) {}); };

template <Sectioned Options>
io::Json to_json(const Options& options) {
  io::Json json = io::Json::object();
  Options::sections(options, [&](const char* name, const auto& section) { json[name] = io::fields_to_json(section); });
  return json;
}

// Takes over what `json` says, in the layout of to_json. Any section or field may be left out, and keeps its value;
// Error naming `source` for one that is not known. So a run.json that is older than an option is read with that
// option's default, which must therefore be what runs did before.
template <Sectioned Options>
void apply_settings(Options& options, const io::Json& json, const std::string& source) {
  if (!json.is_object()) fail(source, ": found ", json.type_name(), "; an object of sections was expected");
  std::vector<std::string> known;
  Options::sections(options, [&](const char* name, auto& section) {
    known.push_back(name);
    if (json.contains(name)) io::update_fields(section, json.at(name), concat(source, ": ", name));
  });
  for (const auto& [name, value] : json.items())
    if (std::find(known.begin(), known.end(), name) == known.end())
      fail(source, ": \"", name, "\" is no section", io::suggestion(name, known));
}

template <Sectioned Options>
Options options_from_json(const io::Json& json, const std::string& source) {
  Options options;
  apply_settings(options, json, source);
  return options;
}

// From a file of settings, such as those in configs/, or from the record of a run (run.json, or its folder).
template <Sectioned Options>
void apply_settings(Options& options, const std::filesystem::path& file) {
  const auto path = std::filesystem::is_directory(file) ? file / "run.json" : file;
  const auto json = io::read_json(path);
  // A run's record holds more than settings.
  const bool record = json.is_object() && json.contains("command") && json.contains("options");
  record ? apply_settings(options, json.at("options"), path.string() + ": options")
         : apply_settings(options, json, path.string());
}

template <Sectioned Options>
void check_limits(const Options& options) {
  Options::sections(options, [](const char*, const auto& section) { io::check_limits(section); });
}

// Error naming the first field in which a run's recorded options differ from what the command says now.
void require_same_options(const io::Json& recorded, const io::Json& now, const std::string& source);

// One object of all fields under their flags' names.
io::Json flattened(const io::Json& options);

}  // namespace saobp::recipes
