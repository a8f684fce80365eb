// head_logits MODEL INPUTS OUTPUTS COPY: what the head of a model's folder makes of the "input_ids", "attention_mask"
// and "token_type_ids" in a safetensors file, written to another as "logits", and the model saved again into the folder
// COPY. For heads that no command shows yet; tests/integration/heads_parity_test.py runs it.
#include <cstdio>
#include <filesystem>

#include "saobp/io/error.h"
#include "saobp/model/weights.h"

using namespace saobp;

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  try {
    const torch::NoGradGuard no_grad;
    const auto model = model::load_model(argv[1]).model;
    torch::Tensor ids, mask, types;
    for (const auto& [name, tensor] : model::load_tensors(argv[2]))
      (name == "input_ids" ? ids : name == "attention_mask" ? mask : types) = tensor;
    mask = mask.to(torch::kBool);
    if (!model->head()) fail(argv[1], ": has no head");
    model::save_tensors(argv[3], {{"logits", model->head()->logits(model->pooled_states({ids, mask, types}))}});
    std::filesystem::create_directories(argv[4]);
    model::save_model(model, argv[4]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
