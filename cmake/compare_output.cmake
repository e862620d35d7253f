# SPDX-License-Identifier: BSL-1.0
# cmake -D PROGRAM=... [-D INTERPRETER=...] -D EXPECTED=... -P compare_output.cmake: runs the program,
# whose standard output must be the text in the file EXPECTED.
execute_process(
  COMMAND ${INTERPRETER} "${PROGRAM}"
  OUTPUT_VARIABLE output
  ERROR_VARIABLE errors
  RESULT_VARIABLE status
  INPUT_FILE /dev/null
  TIMEOUT 50)
file(READ "${EXPECTED}" expected)
if(NOT status STREQUAL "0" OR NOT output STREQUAL expected)
  message(FATAL_ERROR "${PROGRAM}: status ${status}\nexpected:\n${expected}\ngot:\n${output}\n"
                      "standard error:\n${errors}")
endif()
