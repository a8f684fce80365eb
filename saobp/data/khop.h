// Questions over several hops, made up: "the key is in the box . the box is in the hall . …", some chains at once,
// their facts shuffled among each other and among sentences that say nothing. Where does a thing end up?
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "saobp/io/json.h"

namespace saobp::data {

struct KhopOptions {
  std::vector<int64_t> hops = {1, 2, 3, 4};  // each as often
  int64_t chains = 4;                        // of as many hops, one of which is asked for: so many options
  int64_t fillers = 0;                       // sentences that say nothing, strewn in
  int64_t distance = 0;                      // at least so many other sentences between two facts of a chain
  int64_t train = 8000, dev = 1000, test = 1000;
  int64_t seed = 1;
};

// "id", "text", "question", "options", "label" (the place of the right one), "hops". Things are common nouns, all
// different in an example; the options are the ends of the chains, in random order.
io::Json khop_example(const KhopOptions& options, const std::string& split, int64_t number);

// train.jsonl, dev.jsonl, test.jsonl, and khop.json with the options. UsageError where there are too few nouns, or too
// few sentences for the distance.
void write_khop(const KhopOptions& options, const std::filesystem::path& folder);

}  // namespace saobp::data
