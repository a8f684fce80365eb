# igraph from its header and library: its own CMake package asks for the development packages of all that it uses.
# It is under the GPL, and so is a program that is passed on with it inside: it can be left out, and with it the two measures
# of graphs.
option(SAOBP_IGRAPH "Link igraph (GPL-2.0-or-later), for the measures clustering and betweenness" ON)
if(SAOBP_IGRAPH)
  find_path(IGRAPH_INCLUDE_DIR igraph.h PATH_SUFFIXES igraph REQUIRED)
  find_library(IGRAPH_LIBRARY igraph REQUIRED)
  add_library(igraph SHARED IMPORTED)
  set_target_properties(igraph PROPERTIES IMPORTED_LOCATION ${IGRAPH_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${IGRAPH_INCLUDE_DIR} INTERFACE_COMPILE_DEFINITIONS SAOBP_IGRAPH)
else()
  add_library(igraph INTERFACE)
endif()
