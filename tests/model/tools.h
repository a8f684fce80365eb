// What tests of models and of their training share.
#pragma once

#include <cstring>

#include "saobp/model/decoder.h"
#include "saobp/model/libtorch.h"
#include "saobp/model/model.h"
#include "tests/tools.h"

namespace saobp::model::testing {

using tests::error_of;
using tests::TempFolder;

// Sets the number of threads while it lives.
class ThreadCount {
 public:
  explicit ThreadCount(int threads) : before_(at::get_num_threads()) { at::set_num_threads(threads); }
  ~ThreadCount() { at::set_num_threads(before_); }

 private:
  int before_;
};

// Two layers over 50 ids. Weights fifteen times as large as usual keep attention far from uniform, so that masks,
// variants and dropout all show in what comes out.
inline ModelConfig tiny_config(attention::Variant variant = attention::Variant::high, double strength = 0.5) {
  ModelConfig config;
  config.vocab_size = 50, config.hidden_size = 16, config.num_hidden_layers = 2, config.num_attention_heads = 2;
  config.intermediate_size = 24, config.max_position_embeddings = 12, config.initializer_range = 0.3;
  config.refined_attention = {variant, strength, true};
  return config;
}

// The same for GPT-2.
inline ModelConfig tiny_gpt2(attention::Variant variant = attention::Variant::high, double strength = 0.5) {
  auto config = tiny_config(variant, strength);
  config.family = &kGpt2, config.layer_norm_eps = 1e-5, config.hidden_act = "gelu_new";
  return config;
}

// Biases and LayerNorm too take values of their own, so that a swapped or forgotten one shows.
inline void draw_every_tensor(const Model& model, uint64_t seed) {
  torch::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (auto& parameter : model->parameters()) parameter.add_(torch::empty_like(parameter).normal_(0.0, 0.1, generator));
}

// Equal in every bit; NaN equals itself.
inline bool same_bits(const torch::Tensor& a, const torch::Tensor& b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return false;
  auto x = a.detach().contiguous(), y = b.detach().contiguous();
  return std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

inline double largest_difference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.detach().to(torch::kDouble) - b.detach().to(torch::kDouble)).abs().max().item<double>();
}

}  // namespace saobp::model::testing
