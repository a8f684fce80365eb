// Predictions as the sites of tasks take them.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "saobp/io/file.h"
#include "saobp/tasks/scoring.h"

namespace saobp::tasks {
namespace {

std::string as_the_site_has_it(const Task& task, const io::Json& prediction) {
  if (task.kind == Kind::regression) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f", std::clamp(prediction.get<double>(), task.lowest, task.highest));
    return text;
  }
  for (const auto& label : task.labels)
    if (prediction == label.name) return label.values.front();
  return prediction.dump();
}

}  // namespace

void write_submission(const std::filesystem::path& path, const Task& task, const std::vector<Prediction>& predictions) {
  if (task.kind == Kind::span) {
    io::Json texts = io::Json::object(), shares = io::Json::object();
    for (const auto& p : predictions) {
      texts[p.id] = p.prediction;  // "" for no answer, so that the script needs no threshold for the score that we give
      if (const auto margin = p.details.find("no_answer_margin"); margin != p.details.end())
        shares[p.id] = 1 / (1 + std::exp(-margin->get<double>()));  // the script's threshold, 1, is never crossed
    }
    io::write_json(path, texts);
    if (!shares.empty()) io::write_json(std::filesystem::path(path).replace_extension(".na_prob.json"), shares);
    return;
  }
  io::AtomicFile file(path);
  file.write("index\tprediction\n");
  // The file's own numbers, where it has them: a line that was skipped shifts no other.
  const auto is_number = [](const Prediction& p) {
    return !p.id.empty() && p.id.find_first_not_of("0123456789") == std::string::npos;
  };
  const bool numbered = std::all_of(predictions.begin(), predictions.end(), is_number);
  for (size_t i = 0; i < predictions.size(); ++i)
    file.write(concat(numbered ? predictions[i].id : std::to_string(i), "\t",
                      as_the_site_has_it(task, predictions[i].prediction), "\n"));
  file.commit();
}

}  // namespace saobp::tasks
