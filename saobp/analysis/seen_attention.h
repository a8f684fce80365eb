// What one layer's attention over one sequence was, A or B, and what measures of it share.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "saobp/analysis/chain.h"
#include "saobp/analysis/depth.h"
#include "saobp/analysis/graph.h"
#include "saobp/analysis/measure_options.h"
#include "saobp/analysis/refinement.h"
#include "saobp/analysis/sequence.h"

namespace saobp::analysis {

// Throws Error unless `matrices` is [num_heads, L, L] (num_heads, L ≥ 1), float32 or float64, entries ≥ 0, rows summing
// to one within 1e-3; names the first head and row that break the rule. `what` is what messages call it ("layer 3, A").
void check_attention_matrices(const at::Tensor& matrices, const std::string& what);

// Eq. 12: G = Σ_{t=2..K} β^{t−1} A^t, [num_heads, L, L].
at::Tensor indirect_attention(const at::Tensor& matrices, const MeasureOptions& options);

// H heads, L real tokens, D channels a head. Row = query, column = key. Everything is computed in the type that the
// matrices have; what measures share is made when the first of them asks for it.
class SeenAttention {
 public:
  // `matrices` [H, L, L] as check_attention_matrices wants them. `depth` has seen the layers below, of the same matrix
  // (A or B) and sequence.
  SeenAttention(at::Tensor matrices, Sequence& sequence, const MeasureOptions& options, Depth& depth)
      : matrices_(std::move(matrices)), sequence_(sequence), options_(options), depth_(depth) {}

  // What else the layer has, for measures that need it: query, key and value [H, L, D] and the output projection [C, H
  // · D]; and of A the options by which it is refined, null of B. What there is not is undefined.
  struct Layer {
    at::Tensor query, key, value, output_weight;
    const attention::AttentionOptions* options = nullptr;
  };
  void set_layer(Layer layer) { layer_ = std::move(layer); }

  const at::Tensor& matrices() const { return matrices_; }
  Sequence& sequence() { return sequence_; }
  const MeasureOptions& options() const { return options_; }
  const Layer& layer() const { return layer_; }
  int64_t heads() const { return matrices_.size(0); }
  int64_t length() const { return matrices_.size(1); }

  const at::Tensor& square();           // A²
  const at::Tensor& indirect();         // G
  const at::Tensor& row_entropy();      // [H, L], nats
  const at::Tensor& received();         // [H, L]: the mean of a column, so that they sum to one
  const at::Tensor& singular_values();  // [H, L], descending
  at::Tensor scores() const;            // QKᵀ/√D, [H, L, L]; undefined without query and key
  at::Tensor messages() const;          // log(1 − tA), [H, L, L]; undefined where none refines this matrix
  const Chain& chain();
  const std::vector<GraphIndices>& graphs();  // of each head
  const Depth::Layer& layers_so_far();        // of the means over heads

 private:
  at::Tensor matrices_;
  Sequence& sequence_;
  const MeasureOptions& options_;
  Depth& depth_;
  Layer layer_;
  at::Tensor square_, indirect_, row_entropy_, received_, singular_values_;
  Chain chain_;
  std::vector<GraphIndices> graphs_;
  Depth::Layer layers_so_far_;
};

// The hidden states of one sequence between two layers, and what their measures share.
class SeenStates {
 public:
  // states [L, C]
  explicit SeenStates(at::Tensor states) : states_(std::move(states)) {}
  const at::Tensor& states() const { return states_; }
  const at::Tensor& singular_values();  // descending, in double

 private:
  at::Tensor states_, singular_values_;
};

// −Σ p log p of each row, with 0·log 0 = 0.
at::Tensor entropy_of_rows(const at::Tensor& rows);

}  // namespace saobp::analysis
