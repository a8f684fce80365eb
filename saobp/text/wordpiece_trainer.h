// Learns a WordPiece vocabulary: characters first (continuing ones spelt "##c"), then merges of the most frequent pair.
#pragma once

#include <memory>

#include "saobp/text/trainer.h"

namespace saobp::text {

std::unique_ptr<Trainer> make_wordpiece_trainer(const TrainerOptions& options, int threads);

}  // namespace saobp::text
