// Entropy and GTD of attention from query and key alone, in O(L·d) memory a head: for long sequences, and for looking
// on while a model trains. Definitions are those of measure.h; the exact GTD there is what the estimate is held
// against.
//
// The entropy and ‖A‖²_F come from the operator's row statistics. ‖G‖²_F is the mean of ‖G x‖² over random vectors x of
// ±1 (Hutchinson 1989), with A x computed as attention over x: the operator takes as many vectors at once as the value
// has channels. All rows of A sum to one, so that G·1 is known; this part is taken out of x and added exactly, without
// which attention that is close to uniform, as that of a new model is, would have the largest error of all.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <utility>

#include "saobp/analysis/measure_options.h"
#include "saobp/attention/refined_attention.h"

namespace saobp::analysis {

// Of one matrix, A or B: a value for each sequence and head, [batch, heads] in float64. NaN for a sequence that is
// padding from end to end.
struct ProbedAttention {
  at::Tensor entropy;             // mean over the real rows, nats; undefined for B of elemmul
  at::Tensor gtd;                 // estimate of Eq. 13
  at::Tensor gtd_standard_error;  // of the estimate, from the spread over the probes
  at::Tensor top_key_share;       // of all attention, on the key that gets most, exactly
};

// Thrown where `stop` says yes, which is asked between passes over the probes.
struct ProbingStopped {};

// The first is that of A (before refinement), the second of B (after); where nothing is refined they share their
// tensors. query [B, H, L, D] and key [B, H_k, L, D] as in refined_attention, self-attention in any of its forms,
// causal ones too; dropout is ignored. `probes` ≥ 2 vectors are drawn for each sequence and head from `seed`: the same
// seed gives the same ones. Half types are computed in float. No gradient.
// Throws Error when lengths differ or a query mask differs from the key mask, UsageError for a wrong option.
std::pair<ProbedAttention, ProbedAttention> probe_attention(const at::Tensor& query, const at::Tensor& key,
                                                            const attention::AttentionOptions& options,
                                                            const MeasureOptions& measures, int64_t probes,
                                                            uint64_t seed, const std::function<bool()>& stop = {});

}  // namespace saobp::analysis
