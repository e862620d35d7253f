# SPDX-License-Identifier: BSL-1.0
# syntax_flags: how tests that only ask the compiler call it. It begins with the library, parsed once
# for them all: they require the fixture parsed_library.
set(syntax_flags ${CMAKE_CXX20_STANDARD_COMPILE_OPTION} -Wall -Wextra
                 "-I${PROJECT_SOURCE_DIR}/include")
set(parsed "${CMAKE_CURRENT_BINARY_DIR}/parsed_library.hpp")
file(CONFIGURE OUTPUT "${parsed}" CONTENT "#include <multiprocessing.hpp>\n")
set(parsed_suffix .pch)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(parsed_suffix .gch)
endif()
add_test(NAME syntax.parse COMMAND ${CMAKE_CXX_COMPILER} ${syntax_flags} -Werror -x c++-header
                                   "${parsed}" -o "${parsed}${parsed_suffix}")
set_tests_properties(syntax.parse PROPERTIES FIXTURES_SETUP parsed_library TIMEOUT 120)
list(APPEND syntax_flags -include "${parsed}")
