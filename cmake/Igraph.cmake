# igraph from its header and library: its own CMake package asks for the development packages of all that it uses.
find_path(IGRAPH_INCLUDE_DIR igraph.h PATH_SUFFIXES igraph REQUIRED)
find_library(IGRAPH_LIBRARY igraph REQUIRED)
add_library(igraph SHARED IMPORTED)
set_target_properties(igraph PROPERTIES IMPORTED_LOCATION ${IGRAPH_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES ${IGRAPH_INCLUDE_DIR})
