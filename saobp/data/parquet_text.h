// Parquet tables: every row's text in one column is a document. Read by Apache Arrow's library where the build found it
// (SAOBP_PARQUET).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "saobp/data/text_blocks.h"

namespace saobp::data {

// By the first bytes.
bool is_parquet(std::string_view file);

// The text in the column `field` (a.b: field b of the group a), which must hold one string a row; a row without one is
// passed over. Error with the path, and with column and row where one is at fault: no such column, another type, text
// that is not UTF-8, a damaged file, and any Parquet file where the build has no Arrow.
//
// `file` is what was opened at `path`. Its footer stands at its end, so that what comes from a pipe is read whole
// first, up to io::kLargestDocument bytes.
std::unique_ptr<TextReader> open_parquet(io::InputFile file, const io::fs::path& path, const std::string& field);

}  // namespace saobp::data
