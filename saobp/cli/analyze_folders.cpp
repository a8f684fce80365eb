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

}  // namespace saobp::cli
