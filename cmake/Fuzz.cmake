# libFuzzer's programs: each tests/fuzz/NAME_fuzz.cpp is fuzz_NAME. scripts/fuzz.sh runs them.
# Of the rooms that take LibTorch, the files that do without and read what others wrote.
file(GLOB families CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/saobp/model/families/*.cpp)
add_library(saobp_fuzzed STATIC saobp/model/config.cpp saobp/model/config_file.cpp saobp/model/family.cpp ${families}
            saobp/train/metrics_log.cpp saobp/train/run_state.cpp tests/fuzz/fuzz.cpp tests/fuzz/check_tokenizer.cpp)
target_link_libraries(saobp_fuzzed PUBLIC saobp_report saobp_scores saobp_data saobp_text saobp_io ZLIB::ZLIB zstd::libzstd_shared)

file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/*_fuzz.cpp)
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME_WE)
  string(REPLACE "_fuzz" "" name ${name})
  add_executable(fuzz_${name} ${file})
  target_link_libraries(fuzz_${name} PRIVATE saobp_fuzzed)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
endforeach()
