// What the options of an attention call say about A and B.
#pragma once

#include "saobp/attention/refined_attention.h"

namespace saobp::analysis {

// Whether refinement changes anything: else B is A.
inline bool is_refined(const attention::AttentionOptions& options) {
  return options.elemmul || options.strengths.has_value() || options.strength != 0;
}

// The options under which B is the A of these.
inline attention::AttentionOptions unrefined(const attention::AttentionOptions& options) {
  attention::AttentionOptions plain;
  plain.causal = options.causal || options.leaky_causal;
  plain.key_mask = options.key_mask;
  plain.query_mask = options.query_mask;
  return plain;
}

}  // namespace saobp::analysis
