#include "saobp/recipes/checkpoint_model.h"

#include "saobp/recipes/pretrain.h"
#include "saobp/recipes/run_record.h"
#include "saobp/train/regularizers.h"

namespace saobp::recipes {

std::optional<fs::path> run_of_checkpoint(const fs::path& folder) {
  if (!fs::exists(folder / "state.json") || fs::exists(folder / "config.json")) return std::nullopt;
  const auto run = fs::canonical(folder).parent_path().parent_path();
  if (!fs::exists(run / "run.json")) return std::nullopt;
  return run;
}

model::Model load_checkpoint_model(const fs::path& checkpoint, const fs::path& run) {
  const auto options =
      options_from_json<PretrainOptions>(read_record(run, kPretraining).options, (run / "run.json").string());
  const auto state = checkpoint / "state.json";
  const auto updates = io::require<int64_t>(io::read_json(state), "step", state.string());
  auto model = model::make_model(resumed_model(options.model, run / "config.json"), std::nullopt);
  if (options.train.dtype == Dtype::f64) set_dtype(model, Dtype::f64);
  if (options.model.learn_strength != LearnStrength::none) model->learn_strengths();
  const auto regularizers =
      train::add_regularizers(options.regularizers, model);  // a checkpoint holds their tensors too
  model::load_checkpoint_tensors(model, checkpoint / "model.safetensors");
  model->strength_scale = strength_scale(options.model, updates);
  model->eval();
  return model;
}

}  // namespace saobp::recipes
