#include <algorithm>
#include <string>
#include <utility>

#include "saobp/cli/analyze.h"
#include "saobp/cli/open_model.h"
#include "saobp/io/words.h"

namespace saobp::cli {

std::vector<io::Json> analyze_folders(const std::vector<std::filesystem::path>& folders,
                                      const recipes::AnalysisSource& source, const recipes::AnalyzeOptions& options,
                                      Console& console, const std::function<void(const io::Json&)>& each) {
  std::vector<OpenedModel> opened;
  std::vector<recipes::AnalyzedModel> models;
  opened.reserve(folders.size());
  for (const auto& folder : folders) {
    opened.push_back(open_model(folder, options.tokenizer));
    models.push_back({folder.string(), opened.back()});
  }
  const int64_t length = recipes::common_length(models, source, options);
  std::vector<io::Json> records;
  std::string said;  // checkpoints have the same to say one after the other
  for (const auto& model : models) {
    const auto tell = [&](size_t done, size_t all) {
      console.progress(concat("analysing ", model.name, ": ", done, " of ", io::counted(all, "sequence")), false);
    };
    records.push_back(recipes::analyze_model(model, source, options, length, tell, records.empty() ? each : nullptr));
    const auto note = model::note_on_positions(model.opened.model->config, records.back().at("longest_sequence"));
    const bool again = note == std::exchange(said, note);
    if (!note.empty() && (models.size() <= 2 || !again)) console.line(concat(model.name, ": ", note));
  }
  return records;
}

io::Json list_of_measures(std::string& out) {
  io::Json json;
  for (const auto& measure : analysis::all_measures()) {
    std::string line = "  " + measure.name;
    line.resize(std::max<size_t>(line.size(), 24), ' ');
    out += concat(line, measure.definition, measure.unit.empty() ? "" : ", " + measure.unit,
                  measure.cost == analysis::Cost::products ? "" : " ",
                  std::string(static_cast<size_t>(measure.cost), '*'), "\n");
    json[measure.name] = {
        {"unit", measure.unit}, {"definition", measure.definition}, {"cost", io::enum_name(measure.cost)}};
  }
  out +=
      "\nThose without a star take no longer than GTD and are the default; * eigenvalues and singular values of whole\n"
      "matrices, taken of --spectrum-sequences sequences; ** paths in a graph.";
  return {{"measures", json}};
}

}  // namespace saobp::cli
