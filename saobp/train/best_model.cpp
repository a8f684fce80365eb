#include "saobp/train/best_model.h"

#include "saobp/io/hash.h"
#include "saobp/io/sealed_json.h"
#include "saobp/train/run_folder.h"

namespace saobp::train {
namespace {

uint64_t hash_of(const fs::path& file) {
  io::Hash64 hash;
  hash.add(io::read_file(file));
  return hash.value();
}

}  // namespace

void BestModel::go_on(int64_t step, std::optional<double> logged, const Reporter& reporter) {
  best_ = logged;
  const auto path = folder_ / "best.json";
  try {
    if (!fs::exists(folder_)) {
      if (!logged) return;
      fail(folder_.string(), ": is missing");
    }
    const auto best = io::read_sealed_json(path);
    const auto source = path.string();
    const auto at = io::require<int64_t>(best.json, "step", source);
    const auto figure = io::require<double>(best.json, figure_.c_str(), source);
    if (best.sealed && io::require<std::vector<std::string>>(best.json, "validation", source) != validation_)
      fail(source, ": its loss is that of another validation text");
    if (at <= step && beaten_by(figure)) best_ = figure;  // a later one comes from the steps that are made again
  } catch (const Error& error) {
    best_.reset();
    reporter.note("best", error.what(), "; the next validation makes it anew");
  }
}

void BestModel::save(int64_t step, double figure, const std::function<uint64_t(const fs::path&)>& write) {
  replace_folder(folder_, [&](const fs::path& folder) {
    io::Checksums checksums = {{"model.safetensors", write(folder)}};
    for (const auto& entry : fs::directory_iterator(folder))
      if (const auto name = entry.path().filename().string(); name != "model.safetensors")
        checksums[name] = hash_of(entry.path());
    io::write_sealed_json(folder / "best.json", {{"step", step}, {figure_, figure}, {"validation", validation_}},
                          checksums);
  });
  best_ = figure;
}

}  // namespace saobp::train
