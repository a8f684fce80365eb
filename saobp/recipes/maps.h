// Attention maps of a few sequences, small enough for a page: analysis/NAME.maps.json of a run folder.
#pragma once

#include "saobp/recipes/analyze.h"

namespace saobp::recipes {

// {"model", "text", "gtd_discount", "gtd_hops", "power", "layers", "heads", "sequences": [{"id", "tokens": [as the
// vocabulary spells them], "special": [0 or 1], "words": [which word each token is of], "types": [token types], "A":
// PART, "B": PART, "norms": [[‖v W_O‖ of each token over their mean, per head] per layer]}]} with PART {"scale":
// [[largest entry per head] per layer], "bytes": [[base64 of L · L bytes, row by row: round(255 · (entry /
// scale)^(1 / power))]]}; files without "power" have 1. Where nothing is refined there is no A: B is A.
// Where all token types are 0, as in models without them, "types" of a pair are counted from its separators: 0 in the
// first text, 1 in the second, and a special token is of the text before it.
io::Json maps_of(const AnalyzedModel& model, const AnalysisSource& source, const AnalysisItems& items,
                 const std::vector<size_t>& chosen, const analysis::MeasureOptions& measured);

}  // namespace saobp::recipes
