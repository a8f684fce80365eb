// hidden_states FOLDER TEXT: opens a model's folder and prints what its last layer makes of a text.
#include <saobp/pretrained/model_folder.h>
#include <saobp/pretrained/rows.h>

#include <iomanip>
#include <iostream>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    const torch::NoGradGuard no_grad;
    const auto opened = saobp::pretrained::open(argv[1]);
    const auto rows = saobp::pretrained::encode(opened.model->config, *opened.tokenizer, argv[2], {}, {});
    const auto hidden = opened.model->hidden_states(saobp::pretrained::pad(rows, opened.model->config.pad_token_id));
    std::cout << std::setprecision(9);
    for (int64_t token = 0; token < hidden.size(1); ++token) {
      for (int64_t channel = 0; channel < hidden.size(2); ++channel)
        std::cout << hidden[0][token][channel].item<float>() << " ";
      std::cout << "\n";
    }
  } catch (const saobp::Error& error) {  // everything above `attention` throws these
    std::cerr << error.what() << "\n";
    return 1;
  }
}
