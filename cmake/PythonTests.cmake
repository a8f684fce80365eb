# Tests that hold the program against its oracles in Python: transformers, tokenizers, networkx, scipy.
# One ctest entry a file, so that ctest's summary counts them with the rest.
file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*_test.py ${CMAKE_SOURCE_DIR}/tests/*/*_test.py)
foreach(file IN LISTS files)
  file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR}/tests ${file})
  string(REPLACE ".py" "" name ${name})
  if(SAOBP_SANITIZE AND name STREQUAL "integration/operator_python_test")
    continue()  # an interpreter that is not sanitized cannot load a library that is
  endif()
  add_test(NAME python/${name} COMMAND ${SAOBP_PYTHON} -m pytest -q -rs ${file} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(python/${name} PROPERTIES TIMEOUT 1200
    ENVIRONMENT "OMP_WAIT_POLICY=passive;SAOBP_BIN=$<TARGET_FILE:saobp>;SAOBP_OPS=$<TARGET_FILE:saobp_ops>;SAOBP_HEAD_LOGITS=$<TARGET_FILE:head_logits>;SAOBP_ENCODE_ROWS=$<TARGET_FILE:encode_rows>")
endforeach()
