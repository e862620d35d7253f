# SPDX-License-Identifier: BSL-1.0
# Builds the project beside this file against the library and compares what its program prints.
# WAY: find_package, of the library installed into a folder of its own; deb, of the unpacked package;
# pkg_config, without CMake; add_subdirectory; fetch_content. The first way builds the README's
# program, the others one that is compiled sooner.
function(run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output
                                  ERROR_VARIABLE errors)
  if(NOT status STREQUAL "0")
    message(FATAL_ERROR "${what} failed: ${status}\n${output}\n${errors}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

# check_output(PROGRAM PATTERN)
function(check_output program pattern)
  execute_process(COMMAND "${program}" RESULT_VARIABLE status OUTPUT_VARIABLE output TIMEOUT 60)
  if(NOT status STREQUAL "0" OR NOT output MATCHES "^(${pattern})\n$")
    message(FATAL_ERROR "${program} ended with ${status} and printed: ${output}")
  endif()
endfunction()

file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}/build")
set(prefix "${WORK}/prefix")
set(where "-DCMAKE_PREFIX_PATH=${prefix}")
if(WAY STREQUAL "deb")
  run("cpack" ${CPACK} --config "${BUILD}/CPackConfig.cmake" -B "${WORK}/package")
  set(package "${WORK}/package/libmultiprocessing-dev_${VERSION}-1_all.deb")
  run("reading the package" dpkg-deb -f "${package}" Package Version Depends Recommends)
  if(NOT output STREQUAL "Package: libmultiprocessing-dev
Version: ${VERSION}-1
Depends: libboost1.81-dev, libboost-serialization1.81-dev
Recommends: libssl-dev
")
    message(FATAL_ERROR "the package says: ${output}")
  endif()
  run("unpacking" dpkg-deb -x "${package}" "${WORK}/unpacked")
  file(RENAME "${WORK}/unpacked/usr" "${prefix}")
elseif(WAY STREQUAL "add_subdirectory")
  set(where "-DMULTIPROCESSING_FOLDER=${LIBRARY}")
elseif(WAY STREQUAL "fetch_content")
  set(where "-DMULTIPROCESSING_SOURCE=${LIBRARY}")
else()
  run("installation" ${CMAKE_COMMAND} --install "${BUILD}" --prefix "${prefix}")
endif()

# What was compiled for one way need not be compiled again for another one.
set(ENV{CCACHE_BASEDIR} "${LIBRARY}")
if(NOT LAUNCHER)
  set(LAUNCHER "")
endif()

if(WAY STREQUAL "pkg_config")
  set(ENV{PKG_CONFIG_PATH} "${prefix}/share/pkgconfig")
  run("pkg-config" pkg-config --cflags multiprocessing)
  separate_arguments(flags UNIX_COMMAND "-std=c++20 ${FLAGS} ${output}")
  run("pkg-config" pkg-config --libs multiprocessing)
  separate_arguments(libraries UNIX_COMMAND "${FLAGS} ${output}")
  run("compilation" ${LAUNCHER} ${COMPILER} ${flags} -c "${CMAKE_CURRENT_LIST_DIR}/project/quick.cpp"
      -o "${WORK}/build/main.o")
  run("linking" ${COMPILER} "${WORK}/build/main.o" -o "${WORK}/build/program" ${libraries})
  run("pkg-config" pkg-config --modversion multiprocessing)
  if(NOT output STREQUAL "${VERSION}\n")
    message(FATAL_ERROR "pkg-config knows version ${output}")
  endif()
else()
  set(quick ON)
  if(WAY STREQUAL "find_package")
    set(quick OFF)
  endif()
  run("configuration" ${CMAKE_COMMAND} -S "${CMAKE_CURRENT_LIST_DIR}/project" -B "${WORK}/build" -G
      "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_CXX_FLAGS=${FLAGS}"
      "-DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}" -DCONSUMER_QUICK=${quick} ${where})
  run("build" ${CMAKE_COMMAND} --build "${WORK}/build")
endif()
check_output("${WORK}/build/program" "1\n4\n9\n16\n25")
if(EXISTS "${WORK}/build/program_with_key")
  check_output("${WORK}/build/program_with_key" "keys|authkey: .*OpenSSL.*")
elseif(WAY STREQUAL "find_package")
  message(FATAL_ERROR "the program with a key was not built")
endif()

# A part of another project brings the library alone: no tests, no warnings, no target of ours.
file(GLOB parts "${WORK}/build/multiprocessing" "${WORK}/build/_deps/multiprocessing-build")
foreach(part ${parts})
  file(GLOB_RECURSE objects "${part}/*.o")
  if(objects OR EXISTS "${part}/tests")
    message(FATAL_ERROR "as a part of another project it builds tests, or ${objects}")
  endif()
endforeach()
if(WAY MATCHES "^(add_subdirectory|fetch_content)$" AND NOT parts)
  message(FATAL_ERROR "the library was not a part of the project")
endif()
