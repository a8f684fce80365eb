// Measures of a sequence whose matrices would not fit: from the operator alone, in O(L·d) memory a head.
#pragma once

#include "saobp/analysis/measured.h"

namespace saobp::analysis {

// Of attention: attention_entropy, normalized_entropy, first_token_share and special_token_share, exactly; gtd from
// `probes` random vectors (gtd_probes.h), with its standard error in Measured::estimate_errors. What the request names
// besides is not measured. Measures of hidden states as of any sequence. The vectors are drawn from `place`, the
// sequence's among the others, so that each has its own.
MeasuredSequence measure_long(const Captured& captured, const Tokens& tokens, bool causal,
                              const MeasureRequest& request, const MeasureOptions& options, int64_t probes,
                              uint64_t place);

}  // namespace saobp::analysis
