// How scores are shown to people.
#pragma once

#include <string_view>

namespace saobp::scores {

// What a score is multiplied by: shares and correlations become points, perplexities and bits stay.
inline double unit_of(std::string_view score) {
  return score.find("perplexity") != std::string_view::npos || score.starts_with("bits") ? 1 : 100;
}

// Of perplexities and bits less is better.
inline bool lower_is_better(std::string_view score) { return unit_of(score) == 1; }

}  // namespace saobp::scores
