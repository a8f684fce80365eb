# The files of configs/tasks as a source, so that the program finds its tasks wherever it is installed.
function(saobp_built_in_tasks target)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/configs/tasks/*.json)
  set(entries "")
  foreach(file IN LISTS files)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(name ${file} NAME_WE)
    file(READ ${file} text)
    string(APPEND entries "      {\"${name}\", R\"JSON(${text})JSON\"},\n")
  endforeach()
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/built_in_tasks.cpp CONTENT
"#include \"saobp/tasks/built_in.h\"

namespace saobp::tasks {

const std::map<std::string, const char*>& built_in_tasks() {
  static const std::map<std::string, const char*> tasks = {
${entries}  };
  return tasks;
}

}  // namespace saobp::tasks
")
  target_sources(${target} PRIVATE ${CMAKE_BINARY_DIR}/built_in_tasks.cpp)
endfunction()
