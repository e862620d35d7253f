# SPDX-License-Identifier: BSL-1.0
# Builds the project beside this file against the library and compares what its program prints.
# WAY: find_package, of the library installed into a folder of its own, or add_subdirectory.
function(run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output
                                  ERROR_VARIABLE output)
  if(NOT status STREQUAL "0")
    message(FATAL_ERROR "${what} failed: ${status}\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE "${WORK}")
if(WAY STREQUAL "find_package")
  run("installation" ${CMAKE_COMMAND} --install "${BUILD}" --prefix "${WORK}/prefix")
  set(where "-DCMAKE_PREFIX_PATH=${WORK}/prefix")
else()
  set(where "-DMULTIPROCESSING_FOLDER=${LIBRARY}")
endif()
run("configuration" ${CMAKE_COMMAND} -S "${CMAKE_CURRENT_LIST_DIR}/project" -B "${WORK}/build" -G
    "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_CXX_FLAGS=${FLAGS}" ${where})
run("build" ${CMAKE_COMMAND} --build "${WORK}/build")

# A part of another project brings the library alone: no tests, no warnings, no target of ours.
if(WAY STREQUAL "add_subdirectory")
  file(GLOB_RECURSE extra "${WORK}/build/multiprocessing/*.o" "${WORK}/build/multiprocessing/tests")
  if(extra)
    message(FATAL_ERROR "as a part of another project it builds ${extra}")
  endif()
endif()

execute_process(COMMAND "${WORK}/build/program" RESULT_VARIABLE status OUTPUT_VARIABLE output
                        TIMEOUT 60)
if(NOT status STREQUAL "0" OR NOT output STREQUAL "1\n4\n9\n16\n25\n")
  message(FATAL_ERROR "the program ended with ${status} and printed: ${output}")
endif()

if(WAY STREQUAL "find_package")
  execute_process(COMMAND "${WORK}/build/program_with_key" RESULT_VARIABLE status
                  OUTPUT_VARIABLE output TIMEOUT 60)
  if(NOT status STREQUAL "0" OR NOT output MATCHES "^(keys|authkey: .*OpenSSL.*)\n$")
    message(FATAL_ERROR "the program with a key ended with ${status} and printed: ${output}")
  endif()
endif()
