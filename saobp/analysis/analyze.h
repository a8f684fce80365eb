// Runs a model over sequences and measures what its attention did.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "saobp/analysis/metrics.h"
#include "saobp/data/text_input.h"
#include "saobp/io/json.h"
#include "saobp/model/model.h"

namespace saobp::analysis {

// The first `limit` documents of a text (0: all), each of which is one sequence: of plain text every line with anything
// but white space. Error for a text without any, and for what cannot be read (data/text_input.h).
std::vector<std::string> read_sequences(const data::TextInput& text, int64_t limit);

// One layer of one sequence: A and B, [num_heads, L, L] in float64; the same tensor twice where nothing is refined.
using MatrixSink = std::function<void(int64_t layer, const torch::Tensor& attention, const torch::Tensor& refined)>;

// The matrices of one sequence of token ids, layer by layer, in evaluation mode; those of a GPT-2 are causal: row j is
// 0 beyond column j. Error naming the model, as `name`, and its layer where values are not finite.
void capture_attention(const model::Model& model, const std::vector<int64_t>& ids, const MatrixSink& sink,
                       const std::string& name = "the model");

// The record analysis/NAME.json of a run folder (accumulator.h). `done` is told after each sequence.
io::Json analyze(const model::Model& model, const std::vector<std::vector<int64_t>>& sequences,
                 const MetricOptions& options, const std::string& model_name, const std::string& text_name,
                 const std::function<void(size_t done)>& done = {});

}  // namespace saobp::analysis
