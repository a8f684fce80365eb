# One room = one folder below saobp/ = one static library that links only the rooms it may include.

# LibTorch's umbrella header takes 17 s a unit; one precompiled header serves every unit that wants it.
# Sources ask for it by including <torch/torch.h>; narrow units in attention/ do without.
function(saobp_room name)
  cmake_parse_arguments(ROOM "" "SOURCES_IN" "USES;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/saobp/${name}/*.cpp)
  if(ROOM_SOURCES_IN)
    file(GLOB more CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/saobp/${name}/${ROOM_SOURCES_IN}/*.cpp)
    list(APPEND sources ${more})
  endif()
  list(FILTER sources EXCLUDE REGEX "cli/main\\.cpp$")
  if(NOT sources)  # a room of headers only
    set(sources ${CMAKE_BINARY_DIR}/empty.cpp)
    file(TOUCH ${sources})
  endif()
  list(TRANSFORM ROOM_USES PREPEND saobp_)
  add_library(saobp_${name} STATIC ${sources})
  set_target_properties(saobp_${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(saobp_${name} PUBLIC saobp_flags ${ROOM_USES} ${ROOM_LIBS} Threads::Threads)
  if(name IN_LIST SAOBP_PCH_ROOMS)
    saobp_use_torch_pch(saobp_${name})
  endif()
  if(name STREQUAL cli)  # parses options: optimising it costs minutes and gains nothing
    target_compile_options(saobp_cli PRIVATE -O1)
  endif()
endfunction()

# Tests of a room: every tests/ROOM/*.cpp in one executable, test_ROOM.
function(saobp_room_test name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${name}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(test_${name} ${sources})
  target_link_libraries(test_${name} PRIVATE saobp_${name} GTest::gtest GTest::gtest_main)
  if(name IN_LIST SAOBP_PCH_ROOMS)
    saobp_use_torch_pch(test_${name})
  endif()
  # The precompiled header is made with -fPIC, and the compiler takes it only where that is the same.
  set_target_properties(test_${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(test_${name} PRIVATE -fPIC)
  add_test(NAME ${name} COMMAND test_${name} --gtest_brief=1 WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 900
    # Waiting threads sleep: on a busy machine spinning ones take the cores from the working ones.
    ENVIRONMENT "OMP_WAIT_POLICY=passive;UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1")
endfunction()

set(SAOBP_PCH_ROOMS model analysis train cli)
function(saobp_use_torch_pch target)
  if(NOT TARGET saobp_torch_pch)
    file(WRITE ${CMAKE_BINARY_DIR}/torch_pch.cpp "")
    add_library(saobp_torch_pch STATIC ${CMAKE_BINARY_DIR}/torch_pch.cpp)
    target_link_libraries(saobp_torch_pch PUBLIC saobp_flags torch OpenMP::OpenMP_CXX Threads::Threads)
    target_precompile_headers(saobp_torch_pch PRIVATE <torch/torch.h>)
    target_compile_options(saobp_torch_pch PRIVATE -fpch-preprocess)
  endif()
  target_compile_options(${target} PRIVATE -fpch-preprocess)
  target_link_libraries(${target} PUBLIC OpenMP::OpenMP_CXX)
  target_precompile_headers(${target} REUSE_FROM saobp_torch_pch)
endfunction()
