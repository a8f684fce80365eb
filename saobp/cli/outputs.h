// What a verb writes besides the console, and which files it may not replace.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace saobp::cli {

using Paths = std::vector<std::filesystem::path>;

// To be called before the work, with the value of `flag` (empty: not given). UsageError where that would replace one of
// `inputs`. Where it is standard output, what the console has to say goes to standard error from here on.
void prepare_output(const std::string& output, const std::string& flag, const Paths& inputs);

// The files that a model or run folder consists of, those of its checkpoints and best/ too; with `analyses`, analysis/,
// eval/ and suite.json as well, which a report reads. Of a tokenizer that is one file: that and what is read beside it.
Paths files_of(const std::filesystem::path& model, bool analyses = false);

// What --text-field says of itself, in every verb that has it.
inline constexpr const char* kTextFieldHelp =
    "the field of a JSON object, or the column of a Parquet table, that holds the text";

Paths operator+(Paths a, const Paths& b);

}  // namespace saobp::cli
