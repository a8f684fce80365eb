// What the build puts into the program for a report's page (cmake/Page.cmake).
#pragma once

#include <string>
#include <string_view>

namespace saobp::report {

// A file of report/page by its name, such as "page.css".
const char* page_part(const std::string& name);

// plotly.min.js, gzipped; empty where it was not installed when the program was built.
std::string_view packed_plotly();

}  // namespace saobp::report
