// The page's style sheet.
#pragma once

namespace saobp::report {

extern const char* const kStyleSheet;

}  // namespace saobp::report
