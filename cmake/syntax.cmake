# SPDX-License-Identifier: BSL-1.0
# How tests that only ask the compiler call it: with the flags syntax_flags or, where the pool is all
# that they need, pool_syntax_flags. Either begins with a header that is parsed once for them all:
# they require the fixture parsed_library or parsed_pool.
function(parse_once name header flags)
  set(parsed "${CMAKE_CURRENT_BINARY_DIR}/parsed_${name}.hpp")
  file(CONFIGURE OUTPUT "${parsed}" CONTENT "#include <${header}>\n")
  set(suffix .pch)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set(suffix .gch)
  endif()
  set(compile ${CMAKE_CXX20_STANDARD_COMPILE_OPTION} -Wall -Wextra "-I${PROJECT_SOURCE_DIR}/include")
  add_test(NAME syntax.parse_${name} COMMAND ${CMAKE_CXX_COMPILER} ${compile} -Werror -x c++-header
                                             "${parsed}" -o "${parsed}${suffix}")
  set_tests_properties(syntax.parse_${name} PROPERTIES FIXTURES_SETUP parsed_${name} TIMEOUT 120)
  set(${flags} ${compile} -include "${parsed}" PARENT_SCOPE)
endfunction()
parse_once(library multiprocessing.hpp syntax_flags)
parse_once(pool multiprocessing/pool.hpp pool_syntax_flags)
