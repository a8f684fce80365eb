# The scripts and the style of the report's page as a source, and plotly.js, gzipped, where the wheel with it is installed
# (requirements-page-nodeps.txt): without it the page has static charts alone.
function(saobp_page_parts target)
  set(entries "")
  foreach(part IN ITEMS page.css heads.html maps.html base.js figures.js maps.js heads.js)
    set(file ${CMAKE_SOURCE_DIR}/saobp/report/page/${part})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(READ ${file} text)
    string(APPEND entries "      {\"${part}\", R\"PAGE(${text})PAGE\"},\n")
  endforeach()
  file(GLOB plotly ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/plotly/package_data/plotly.min.js)
  set(packed ${CMAKE_BINARY_DIR}/plotly.min.js.gz)
  if(plotly)
    list(GET plotly 0 plotly)
    file(ARCHIVE_CREATE OUTPUT ${packed} PATHS ${plotly} FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
    message(STATUS "Charts of reports: ${plotly}")
  else()
    file(WRITE ${packed} "")
    message(STATUS "Charts of reports: static ones, plotly is not installed")
  endif()
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/page_parts.cpp CONTENT
"#include \"saobp/report/page_parts.h\"

#include <map>

__asm__(\".pushsection .rodata\\nsaobp_plotly_begin:\\n.incbin \\\"${packed}\\\"\\nsaobp_plotly_end:\\n.byte 0\\n.popsection\\n\");
extern \"C\" const char saobp_plotly_begin[], saobp_plotly_end[];

namespace saobp::report {

const char* page_part(const std::string& name) {
  static const std::map<std::string, const char*> parts = {
${entries}  };
  return parts.at(name);
}

std::string_view packed_plotly() {
  return {saobp_plotly_begin, static_cast<size_t>(saobp_plotly_end - saobp_plotly_begin)};
}

}  // namespace saobp::report
")
  target_sources(${target} PRIVATE ${CMAKE_BINARY_DIR}/page_parts.cpp)
  set_source_files_properties(${CMAKE_BINARY_DIR}/page_parts.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON OBJECT_DEPENDS ${packed})
endfunction()
