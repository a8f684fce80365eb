// Attention through the layers: cross-layer GTD's chains and attention rollout, layer by layer.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "saobp/analysis/measure_options.h"

namespace saobp::analysis {

// Of one sequence and of A or B. Ā of a layer is the mean over its heads.
class Depth {
 public:
  struct Layer {
    at::Tensor mean;      // Ā, [L, L]
    at::Tensor indirect;  // G = Σ_{t=2..K} β^{t−1} Ā^(l) Ā^(l−1) … Ā^(l−t+1), the chains that begin in this layer
    at::Tensor rollout;   // Π (½ Ā + ½ I) over the layers up to this one (Abnar & Zuidema 2020)
  };

  // The next layer, from the lowest on; matrices [H, L, L].
  Layer add(const at::Tensor& matrices, const MeasureOptions& options);

 private:
  // Σ_{t=1..k} β^{t−1} Ā^(l) … Ā^(l−t+1) for k = 1 … K, of the layer before.
  std::vector<at::Tensor> chains_;
  at::Tensor rollout_;
};

}  // namespace saobp::analysis
