# What the rooms that compute need. LibTorch comes from the wheel in .venv unless CMAKE_PREFIX_PATH (or Torch_DIR) names
# another one.
find_package(hwy REQUIRED)
find_package(CLI11 2.1 REQUIRED)

# at::parallel_for is inline: code compiled without OpenMP runs serially and says nothing.
find_package(OpenMP REQUIRED)

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
