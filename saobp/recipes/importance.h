// Whether a head matters: what becomes of the model's answers when what it looks at no longer depends on the query.
#pragma once

#include <functional>

#include "saobp/recipes/analyze.h"

namespace saobp::recipes {

// {"sequences", "predictions", "loss", "uniform": PART, "mean": PART} with PART {"loss": [[rise per head] per layer],
// "divergence", "states_cosine", "standard_errors": {the same}}: the head's matrix replaced by one whose rows are all
// alike, the same for every key that a query sees, or the mean over the sequence's rows (in a decoder cut to what a row
// sees, and made to sum to one again). Loss and divergence as in what_if.h; null for a model without a language model's
// head. Of at most `sequences` sequences, the first ones.
io::Json importance(const AnalyzedModel& model, const AnalysisItems& items, int64_t sequences,
                    const std::function<void(const std::string& what)>& tell);

}  // namespace saobp::recipes
