// Where saobp analyze leaves what it finds: in the run itself, or in a folder made for a model that is no run.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "saobp/cli/outputs.h"
#include "saobp/io/json.h"

namespace saobp::cli {

// A folder's own analysis/, where a report finds it.
std::filesystem::path analysis_path(const std::filesystem::path& run, const std::string& name);
void save_analysis(const io::Json& json, const std::filesystem::path& run, const std::string& name);

// The run that keeps what is said of a model, and under which name; no run where nothing is kept.
struct AnalysisPlace {
  std::string run, name;

  std::filesystem::path path() const { return analysis_path(run, name); }
  std::filesystem::path maps() const { return beside(".maps.json"); }
  std::filesystem::path sequences() const { return beside(".sequences.jsonl"); }

 private:
  std::filesystem::path beside(const std::string& ending) const {
    return std::filesystem::path(run) / "analysis" / (name + ending);
  }
};

struct AnalysisPlaces {
  std::string name, into, output, matrices;
  bool of_checkpoints = false, maps = false, keep_sequences = false;
  std::vector<std::string> written = {};  // told when the result is
  std::string not_kept = "";              // why a run folder did not take its record

  // Its own folder where `folder` is a run; of a checkpoint the run's, under NAME.step-N; or --into.
  AnalysisPlace place_of(const std::string& folder) const;

  // UsageError for a name that cannot be one, and where a file would be written twice.
  void check(const std::vector<std::filesystem::path>& models) const;

  // Where the model has no folder of its own: --into, which is made, with the record of what it is about. UsageError
  // where that holds something else.
  void begin(const std::filesystem::path& model, const io::Json& described) const;

  // A run that cannot be written to must not cost what was measured: with --output it is told, and else the work has
  // failed when all the rest is done.
  // Beside it `sequences` and `made_maps`, where they are not empty or null.
  void keep(const io::Json& json, const AnalysisPlace& place, const std::string& sequences, const io::Json& made_maps);

 private:
  void require_different(const std::vector<std::filesystem::path>& models) const;
  void remove_old(const AnalysisPlace& place);
};

}  // namespace saobp::cli
