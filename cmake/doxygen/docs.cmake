# SPDX-License-Identifier: BSL-1.0
# The target docs: the reference of the public interface, in docs/html of the build folder.
find_package(Doxygen 1.9.4 QUIET)
set(doxyfile "${PROJECT_BINARY_DIR}/Doxyfile")
configure_file("${CMAKE_CURRENT_LIST_DIR}/Doxyfile.in" "${doxyfile}" @ONLY)
if(DOXYGEN_FOUND)
  add_custom_target(docs COMMAND Doxygen::doxygen "${doxyfile}" VERBATIM)
else()
  add_custom_target(docs COMMAND ${CMAKE_COMMAND} -E echo "the reference needs doxygen 1.9.4"
                    COMMAND ${CMAKE_COMMAND} -E false)
endif()
