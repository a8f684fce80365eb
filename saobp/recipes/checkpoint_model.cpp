#include "saobp/recipes/checkpoint_model.h"

#include "saobp/recipes/evaluate.h"
#include "saobp/recipes/finetune.h"
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

namespace {

// As a checkpoint's tensors find it.
void prepare(const model::Model& model, Dtype dtype, LearnStrength learned) {
  if (dtype == Dtype::f64) set_dtype(model, Dtype::f64);
  if (learned != LearnStrength::none) model->learn_strengths();
}

void read_checkpoint(const model::Model& model, const fs::path& checkpoint) {
  model::load_checkpoint_tensors(model, checkpoint / "model.safetensors");
  model->eval();
}

}  // namespace

model::Model load_checkpoint_model(const fs::path& checkpoint, const fs::path& run) {
  if (const auto tuned = fine_tuned_with(run)) {
    const auto head = head_of(tasks::find_task(tuned->options.task.task, tuned->options.task.preset));
    auto model = model::make_model(model::read_config(run / "config.json"), std::nullopt, head);
    prepare(model, tuned->options.train.dtype, tuned->options.train.learn_strength);
    read_checkpoint(model, checkpoint);
    return model;
  }
  const auto options =
      options_from_json<PretrainOptions>(read_record(run, kPretraining).options, (run / "run.json").string());
  const auto state = checkpoint / "state.json";
  const auto updates = io::require<int64_t>(io::read_json(state), "step", state.string());
  auto model = model::make_model(resumed_model(options.model, run / "config.json"), std::nullopt);
  prepare(model, options.train.dtype, options.model.learn_strength);
  const auto regularizers =
      train::add_regularizers(options.regularizers, model);  // a checkpoint holds their tensors too
  read_checkpoint(model, checkpoint);
  model->strength_scale = strength_scale(options.model, updates);
  return model;
}

}  // namespace saobp::recipes
