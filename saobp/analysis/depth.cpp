#include "saobp/analysis/depth.h"

#include <ATen/ATen.h>

namespace saobp::analysis {

Depth::Layer Depth::add(const at::Tensor& matrices, const MeasureOptions& options) {
  Layer layer{matrices.mean(0), {}, {}};
  // F_k of a layer is Ā (I + β F_{k−1} of the layer before): chains of up to k hops. Below the lowest layer there is
  // none.
  std::vector<at::Tensor> chains = {layer.mean};
  for (int64_t k = 2; k <= options.gtd_hops; ++k) {
    if (chains_.empty()) {  // the lowest layer
      chains.push_back(chains.back());
      continue;
    }
    chains.push_back(layer.mean + at::mm(layer.mean, chains_[static_cast<size_t>(k - 2)]) * options.gtd_discount);
  }
  layer.indirect = chains.back() - layer.mean;
  auto step = layer.mean * 0.5;
  step.diagonal().add_(0.5);
  rollout_ = rollout_.defined() ? at::mm(step, rollout_) : step;
  layer.rollout = rollout_;
  chains_ = std::move(chains);
  return layer;
}

}  // namespace saobp::analysis
