// Learns byte-level BPE: special tokens, the 256 bytes, then merges of the most frequent pair. Vocabulary and merges
// are those of the `tokenizers` package (its BpeTrainer with the ByteLevel pre-tokenizer and alphabet).
#pragma once

#include <memory>

#include "saobp/text/trainer.h"

namespace saobp::text {

std::unique_ptr<Trainer> make_bpe_trainer(const TrainerOptions& options, int threads);

}  // namespace saobp::text
