# What all rooms need, LibTorch and what goes with it aside.
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

find_package(Threads REQUIRED)
set(SAOBP_PYTHON ${CMAKE_SOURCE_DIR}/.venv/bin/python)

# Parquet is optional. The wheel of pyarrow has Arrow's headers and libraries, and no CMake package for them.
file(GLOB pyarrow_folder ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/pyarrow)
file(GLOB arrow_library ${pyarrow_folder}/libarrow.so.*)
file(GLOB parquet_library ${pyarrow_folder}/libparquet.so.*)
if(arrow_library AND parquet_library)
  add_library(arrow SHARED IMPORTED)
  set_target_properties(arrow PROPERTIES IMPORTED_LOCATION ${arrow_library})
  add_library(parquet SHARED IMPORTED)
  set_target_properties(parquet PROPERTIES IMPORTED_LOCATION ${parquet_library}
    INTERFACE_INCLUDE_DIRECTORIES ${pyarrow_folder}/include INTERFACE_LINK_LIBRARIES arrow)
endif()

find_package(nlohmann_json 3.11 REQUIRED)
find_package(ICU 72 REQUIRED COMPONENTS uc i18n)
find_package(ZLIB REQUIRED)
find_package(zstd REQUIRED)

add_library(saobp_flags INTERFACE)
target_include_directories(saobp_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(saobp_flags INTERFACE -Wall -Wextra -Wno-unused-parameter
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)  # g++ 12 warns of std::string + "text" without cause
target_compile_definitions(saobp_flags INTERFACE SAOBP_VERSION="${PROJECT_VERSION}")
if(SAOBP_SANITIZE)
  target_compile_options(saobp_flags INTERFACE -fsanitize=${SAOBP_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(saobp_flags INTERFACE -fsanitize=${SAOBP_SANITIZE})
endif()
