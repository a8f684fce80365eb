// The page's style sheet.
#pragma once

#include <string>

namespace saobp::report {

// "--name: value;" of the light theme.
extern const char* const kLightColours;
// What drawings need of it, in files of their own too.
extern const char* const kChartStyle;

std::string style_sheet();

}  // namespace saobp::report
