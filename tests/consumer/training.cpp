// Trains a small BERT for ten steps on a batch of made-up ids, and saves it.
#include <saobp/model/weights.h>
#include <saobp/recipes/language_model.h>
#include <saobp/train/optimizer.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  saobp::model::ModelConfig config;
  config.vocab_size = 100, config.hidden_size = 32, config.num_hidden_layers = 2, config.num_attention_heads = 4;
  config.intermediate_size = 64, config.max_position_embeddings = 16;
  config.refined_attention = {saobp::attention::Variant::high, 0.2};
  const auto model = saobp::model::make_model(config, /*seed=*/1);
  model->train();

  saobp::data::Batch batch;
  batch.rows = 4, batch.length = 16;
  for (int64_t i = 0; i < 64; ++i) {
    batch.input_ids.push_back(i % 5 == 0 ? 4 : 5 + i % 90);
    if (i % 5 == 0) batch.positions.push_back(i), batch.targets.push_back(5 + i % 90);
  }
  batch.attention_mask.assign(64, 1);

  saobp::train::AdamW optimizer(saobp::train::parameters_of(*model), {});
  for (int64_t step = 0; step < 10; ++step) {
    const auto result = saobp::recipes::train_step(model, optimizer, std::vector{batch}, 5e-3, /*seed=*/1, step);
    std::cout << result.loss << "\n";
  }
  saobp::model::save_model(model, argv[1]);
}
