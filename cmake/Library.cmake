# libsaobp, for other programs: every room but the command line in one shared library, with the headers below.
#
#   cmake --install build/release --prefix PREFIX
#   find_package(saobp REQUIRED)                      # in a program of yours
#   target_link_libraries(program PRIVATE saobp::saobp)

# The public headers; what is not here is not installed. tests/consumer/headers_test.py holds that they include no other.
set(SAOBP_PUBLIC_HEADERS
  saobp/attention/decode.h
  saobp/attention/refined_attention.h
  saobp/attention/variant.h
  saobp/data/batch.h
  saobp/io/error.h
  saobp/io/fields.h
  saobp/io/file.h
  saobp/io/json.h
  saobp/io/limits.h
  saobp/io/safetensors.h
  saobp/io/words.h
  saobp/model/backbone.h
  saobp/model/config.h
  saobp/model/decoder.h
  saobp/model/family.h
  saobp/model/generate.h
  saobp/model/head.h
  saobp/model/layer.h
  saobp/model/libtorch.h
  saobp/model/model.h
  saobp/model/sigma_reparam.h
  saobp/model/weight_names.h
  saobp/model/weights.h
  saobp/pretrained/model_folder.h
  saobp/pretrained/rows.h
  saobp/recipes/language_model.h
  saobp/text/encoding.h
  saobp/text/post_processor.h
  saobp/text/tokenizer.h
  saobp/train/distributed.h
  saobp/train/gradient_reducer.h
  saobp/train/objective.h
  saobp/train/optimizer.h
  saobp/train/optimizer_options.h
  saobp/train/regularizer_options.h
  saobp/train/regularizers.h
  saobp/train/step.h)

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Whole rooms: a program may call what nothing here calls, and operators are registered by objects that nothing refers to.
set(library_objects "")
foreach(room IN ITEMS io text data scores attention model pretrained analysis tasks train recipes report)
  list(APPEND library_objects $<TARGET_OBJECTS:saobp_${room}>)
endforeach()
add_library(saobp_library SHARED ${library_objects})
add_library(saobp::saobp ALIAS saobp_library)
target_link_libraries(saobp_library PRIVATE ZLIB::ZLIB zstd::libzstd_shared ICU::uc ICU::i18n hwy::hwy
  OpenMP::OpenMP_CXX Threads::Threads)
if(TARGET parquet)
  target_link_libraries(saobp_library PRIVATE parquet)
endif()
if(SAOBP_IGRAPH)
  target_link_libraries(saobp_library PRIVATE igraph)
endif()
target_link_libraries(saobp_library PUBLIC torch nlohmann_json::nlohmann_json)
target_compile_features(saobp_library PUBLIC cxx_std_20)
set_target_properties(saobp_library PROPERTIES LINKER_LANGUAGE CXX OUTPUT_NAME saobp EXPORT_NAME saobp VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR} LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
# Where LibTorch lies, and pyarrow if Parquet is read: what is installed finds them again.
set_target_properties(saobp_library saobp PROPERTIES INSTALL_RPATH
  "$ORIGIN;${TORCH_INSTALL_PREFIX}/lib;${pyarrow_folder}")
target_sources(saobp_library PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR} FILES ${SAOBP_PUBLIC_HEADERS})

install(TARGETS saobp_library EXPORT saobpTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS saobp RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/saobp)
install(EXPORT saobpTargets NAMESPACE saobp:: DESTINATION ${package})
file(WRITE ${CMAKE_BINARY_DIR}/saobpConfig.cmake [[
include(CMakeFindDependencyMacro)
find_dependency(Torch)
find_dependency(nlohmann_json 3.11)
include(${CMAKE_CURRENT_LIST_DIR}/saobpTargets.cmake)
]])
write_basic_package_version_file(${CMAKE_BINARY_DIR}/saobpConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/saobpConfig.cmake ${CMAKE_BINARY_DIR}/saobpConfigVersion.cmake DESTINATION ${package})
