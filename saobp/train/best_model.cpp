#include "saobp/train/best_model.h"

#include <cmath>

#include "saobp/io/hash.h"
#include "saobp/io/sealed_json.h"
#include "saobp/model/weights.h"
#include "saobp/pretrained/model_folder.h"
#include "saobp/train/run_folder.h"

namespace saobp::train {
namespace {

uint64_t hash_of(const fs::path& file) {
  io::Hash64 hash;
  hash.add(io::read_file(file));
  return hash.value();
}

}  // namespace

void BestModel::go_on(int64_t step, double logged, const Reporter& reporter) {
  lowest_ = logged;
  const auto path = folder_ / "best.json";
  try {
    if (!fs::exists(folder_)) {
      if (std::isinf(logged)) return;
      fail(folder_.string(), ": is missing");
    }
    const auto best = io::read_sealed_json(path);
    const auto source = path.string();
    const auto at = io::require<int64_t>(best.json, "step", source);
    const auto loss = io::require<double>(best.json, "validation_loss", source);
    if (best.sealed && io::require<std::vector<std::string>>(best.json, "validation", source) != validation_)
      fail(source, ": its loss is that of another validation text");
    if (at <= step) lowest_ = std::min(lowest_, loss);  // a later one comes from the steps that are made again
  } catch (const Error& error) {
    lowest_ = std::numeric_limits<double>::infinity();
    reporter.line(concat("best        ", error.what(), "; the next validation makes it anew"));
  }
}

void BestModel::save(const model::Model& model, const text::Tokenizer& tokenizer, int64_t step, double loss) {
  replace_folder(folder_, [&](const fs::path& folder) {
    const auto weights = model::save_model(model, folder);
    pretrained::save_tokenizer(tokenizer, model->config, folder);
    io::write_sealed_json(folder / "best.json",
                          {{"step", step}, {"validation_loss", loss}, {"validation", validation_}},
                          {{"model.safetensors", weights},
                           {"config.json", hash_of(folder / "config.json")},
                           {"tokenizer.json", hash_of(folder / "tokenizer.json")}});
  });
  lowest_ = loss;
}

}  // namespace saobp::train
