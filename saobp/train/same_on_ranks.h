// Ranks were each started with a command of their own. Whether these say the same is seen before any work.
#pragma once

#include "saobp/io/json.h"
#include "saobp/train/distributed.h"

namespace saobp::train {

// `ours` names what has to be the same on all ranks, such as {"saobp": "0.1.0", "--seed": 1}. Where a rank has
// something else than rank 0, every rank ends with an Error that names the first such thing and both values.
void require_same_on_ranks(const io::Json& ours, const World& world);

}  // namespace saobp::train
