# Tests that hold the program against its oracles in Python: transformers, tokenizers, networkx, scipy.
# One ctest entry a file, so that ctest's summary counts them with the rest.
file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*_test.py ${CMAKE_SOURCE_DIR}/tests/*/*_test.py)
foreach(file IN LISTS files)
  file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR}/tests ${file})
  string(REPLACE ".py" "" name ${name})
  add_test(NAME python/${name} COMMAND ${SAOBP_PYTHON} -m pytest -q -rs ${file} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(python/${name} PROPERTIES ENVIRONMENT "OMP_WAIT_POLICY=passive;SAOBP_BIN=$<TARGET_FILE:saobp>" TIMEOUT 1200)
endforeach()
