// What refinement would change in a model that was trained as it is: a diagnosis, no cure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "saobp/attention/variant.h"
#include "saobp/recipes/analyze.h"

namespace saobp::recipes {

struct WhatIf {
  attention::Variant attention;
  double strength;
};

// "high:0.005..0.4" is eight strengths between these, each the same factor above the one before; "low:0.1" is one;
// "elemmul" has none; several with commas between. UsageError for anything else.
std::vector<WhatIf> parse_what_if(const std::string& text);

// What is measured of each of them.
const std::vector<std::string>& what_if_measures();

// A list of {"attention", "strength", "loss", "divergence", "states_cosine", "pooled_cosine", "attention_entropy",
// "normalized_entropy", "sink_rate", "top_key_share", "gtd"} and "standard_errors" of the first four, the model as it
// is first ("attention": its own; "strength" null where layers or heads have one each). Losses and divergence D(as it
// is ‖ refined) are in nats, of 15 % masked or of next tokens, null for a model without a language model's head;
// measures are means over layers and heads of B. Of at most `sequences` sequences, the first ones. The folder is opened
// anew for each, at inference alone.
io::Json what_if(const std::filesystem::path& folder, const AnalysisSource& source, const AnalyzeOptions& options,
                 const std::vector<WhatIf>& what, int64_t sequences,
                 const std::function<void(const std::string& what)>& tell);

}  // namespace saobp::recipes
