# One room = one folder below saobp/ = one static library that links only the rooms it may include.

# LibTorch's headers take 17 s a unit; one precompiled header, model/libtorch.h, serves every unit of the rooms that build on
# it. Narrow units in attention/ do without.
# Where nothing has been compiled before, as in CI, half of the time goes into reading the same headers again.
option(SAOBP_JOIN_UNITS "Compile sources by the half-dozen: quicker from nothing, slower after a change" OFF)
function(saobp_join_units target)
  # The operator's units are narrow, and some give one name to different things.
  if(NOT SAOBP_JOIN_UNITS OR target MATCHES "^saobp_attention")
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    file(STRINGS ${source} by_target REGEX "foreach_target")  # Highway compiles these once for each instruction set
    if(by_target)
      set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
endfunction()

function(saobp_room name)
  cmake_parse_arguments(ROOM "" "" "USES;LIBS;SOURCES_IN" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/saobp/${name}/*.cpp)
  foreach(folder IN LISTS ROOM_SOURCES_IN)
    file(GLOB more CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/saobp/${name}/${folder}/*.cpp)
    list(APPEND sources ${more})
  endforeach()
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
  saobp_join_units(saobp_${name})
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
  # The precompiled header is made with -fPIC, and the compiler takes it only where that is the same. Optimising tests
  # takes longer than it saves.
  set_target_properties(test_${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(test_${name} PRIVATE -fPIC -O1)
  add_test(NAME ${name} COMMAND test_${name} --gtest_brief=1 WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 900
    # Waiting threads sleep: on a busy machine spinning ones take the cores from the working ones.
    ENVIRONMENT "OMP_WAIT_POLICY=passive;UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1")
endfunction()

# test_ROOM_asan: the objects of test_ROOM, as they are, with those of the named rooms compiled with sanitizers: what the
# rooms do with memory is checked, what the tests do is not, and costs no time. The rooms' objects come first, so that of
# inline functions which both have, theirs are taken.
set(SAOBP_ASAN -O1 -g1 -UNDEBUG -fsanitize=address,undefined -fno-omit-frame-pointer)
function(saobp_sanitized_test name)
  cmake_parse_arguments(TEST "" "" "ROOMS" ${ARGN})
  set(objects "")
  foreach(room IN LISTS TEST_ROOMS)
    list(APPEND objects $<TARGET_OBJECTS:saobp_${room}_asan>)
    if(TARGET saobp_${room}_asan)
      continue()
    endif()
    get_target_property(sources saobp_${room} SOURCES)
    if(room STREQUAL attention)  # the rest of it calls ATen, and touches no memory by itself
      list(FILTER sources INCLUDE REGEX "/attention/cpu/")
    endif()
    add_library(saobp_${room}_asan OBJECT EXCLUDE_FROM_ALL ${sources})
    foreach(property IN ITEMS LINK_LIBRARIES COMPILE_DEFINITIONS)
      set_target_properties(saobp_${room}_asan PROPERTIES ${property} "$<TARGET_PROPERTY:saobp_${room},${property}>")
    endforeach()
    target_compile_options(saobp_${room}_asan PRIVATE ${SAOBP_ASAN})
    saobp_join_units(saobp_${room}_asan)
    if(room IN_LIST SAOBP_PCH_ROOMS)
      saobp_use_torch_pch(saobp_${room}_asan _asan ${SAOBP_ASAN})
    endif()
  endforeach()
  add_executable(test_${name}_asan EXCLUDE_FROM_ALL ${objects} $<TARGET_OBJECTS:test_${name}>)
  set_target_properties(test_${name}_asan PROPERTIES LINKER_LANGUAGE CXX POSITION_INDEPENDENT_CODE OFF
    LINK_LIBRARIES "$<TARGET_PROPERTY:test_${name},LINK_LIBRARIES>")
  target_link_options(test_${name}_asan PRIVATE -fsanitize=address,undefined)
endfunction()

set(SAOBP_PCH_ROOMS model pretrained analysis tasks train recipes cli)
# saobp_use_torch_pch(TARGET [SUFFIX OPTIONS...]): a target of other options needs a precompiled header of its own.
function(saobp_use_torch_pch target)
  list(POP_FRONT ARGN suffix)
  set(pch saobp_torch_pch${suffix})
  if(NOT TARGET ${pch})
    file(WRITE ${CMAKE_BINARY_DIR}/${pch}.cpp "")
    add_library(${pch} STATIC EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/${pch}.cpp)
    target_link_libraries(${pch} PUBLIC saobp_flags torch OpenMP::OpenMP_CXX Threads::Threads)
    target_precompile_headers(${pch} PRIVATE ${CMAKE_SOURCE_DIR}/saobp/model/libtorch.h)
    target_compile_options(${pch} PRIVATE -fpch-preprocess ${ARGN})
  endif()
  target_compile_options(${target} PRIVATE -fpch-preprocess)
  target_link_libraries(${target} PUBLIC OpenMP::OpenMP_CXX)
  target_precompile_headers(${target} REUSE_FROM ${pch})
endfunction()
