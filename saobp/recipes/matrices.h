// The matrices of chosen sequences, for whoever wants to look at them: in a file for NumPy, or on a terminal.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "saobp/recipes/analyze.h"

namespace saobp::recipes {

enum class MatrixType { f16, f32 };

inline const std::vector<std::string>& enum_names(MatrixType) {
  static const std::vector<std::string> names = {"f16", "f32"};
  return names;
}

// The tokens as the vocabulary spells them; [ID] for an id without a token.
std::vector<std::string> spelled(const pretrained::Pretrained& opened, const analysis::AnalysisItem& item);

// The places of sequences among items, from their ids with commas between ("1,3", or those of a task's examples). "" is
// the first one alone. UsageError naming one that there is not, or that is longer than `dense_length`.
std::vector<size_t> chosen_sequences(const AnalysisItems& items, const std::string& ids, int64_t dense_length);

// FILE.npz: for the n-th of the chosen sequences (from 0) A_n, B_n and G_n, each [layers, heads, L, L], G being that of
// B, and tokens_n [L]; "ids" are those of the sequences. Where nothing is refined A_n is B_n.
void write_matrices(const std::filesystem::path& path, const AnalyzedModel& model, const AnalysisItems& items,
                    const std::vector<size_t>& chosen, const analysis::MeasureOptions& options, MatrixType type);

// One head's map of one sequence as text: rows are queries, columns keys, in shades; tokens stand beside them. `head`
// is "LAYER.HEAD". Of a refined one A and B stand one below the other. UsageError for a head that there is not.
std::string drawn_head(const AnalyzedModel& model, const AnalysisItems& items, size_t chosen, const std::string& head);

}  // namespace saobp::recipes
