# Everything that is found, in one place. LibTorch comes from the wheel in .venv unless CMAKE_PREFIX_PATH
# (or Torch_DIR) names another one.
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

find_package(Threads REQUIRED)
# at::parallel_for is inline: code compiled without OpenMP runs serially and says nothing.
find_package(OpenMP REQUIRED)

set(SAOBP_PYTHON ${CMAKE_SOURCE_DIR}/.venv/bin/python)
find_package(Torch QUIET)
if(NOT Torch_FOUND)
  execute_process(
    COMMAND ${SAOBP_PYTHON} -c "import torch; print(torch.utils.cmake_prefix_path)"
    OUTPUT_VARIABLE torch_prefix OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE torch_missing ERROR_QUIET)
  if(torch_missing)
    message(FATAL_ERROR
      "LibTorch was not found: run scripts/setup.sh, or pass -DCMAKE_PREFIX_PATH=/path/to/libtorch")
  endif()
  list(APPEND CMAKE_PREFIX_PATH ${torch_prefix})
  find_package(Torch REQUIRED)
endif()
# The library version that torch itself was built against; -Wno-* keeps its headers from drowning our own warnings.
set_target_properties(torch PROPERTIES INTERFACE_COMPILE_OPTIONS "")

# LibTorch's product by oneDNN has no header; without it products take at::mm.
include(CheckCXXSourceCompiles)
find_library(TORCH_CPU_LIBRARY torch_cpu HINTS ${TORCH_INSTALL_PREFIX}/lib REQUIRED)
set(CMAKE_REQUIRED_LIBRARIES ${TORCH_CPU_LIBRARY} -Wl,--allow-shlib-undefined)
check_cxx_source_compiles([[
  namespace at { class Tensor; namespace native {
  void mkldnn_matmul(const Tensor&, const Tensor&, const Tensor&, float, float); } }
  int main() { return &at::native::mkldnn_matmul == nullptr; }]] SAOBP_MKLDNN_MATMUL)
unset(CMAKE_REQUIRED_LIBRARIES)

# LibTorch carries gloo inside, and its c10d headers name gloo's, which the wheel leaves out. Nothing of it is linked.
find_path(GLOO_INCLUDE_DIR gloo/transport/device.h HINTS ${TORCH_INCLUDE_DIRS})
if(NOT GLOO_INCLUDE_DIR)
  message(FATAL_ERROR "gloo's headers were not found (libgloo-dev): run scripts/setup.sh")
endif()
add_library(gloo_headers INTERFACE)
target_include_directories(gloo_headers SYSTEM INTERFACE ${GLOO_INCLUDE_DIR})

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

find_package(hwy REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(ICU 72 REQUIRED COMPONENTS uc i18n)
find_package(ZLIB REQUIRED)
find_package(zstd REQUIRED)
find_package(CLI11 2.1 REQUIRED)

add_library(saobp_flags INTERFACE)
target_include_directories(saobp_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(saobp_flags INTERFACE -Wall -Wextra -Wno-unused-parameter
  -Wno-restrict)  # g++ 12 warns of std::string + "text" without cause
target_compile_definitions(saobp_flags INTERFACE SAOBP_VERSION="${PROJECT_VERSION}")
if(SAOBP_SANITIZE)
  target_compile_options(saobp_flags INTERFACE -fsanitize=${SAOBP_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(saobp_flags INTERFACE -fsanitize=${SAOBP_SANITIZE})
endif()
