# SPDX-License-Identifier: BSL-1.0
# How tests that only ask the compiler call it: with syntax_flags, which begin with the parsed library
# that our programs start from; or, where the pool is all that they need, with pool_syntax_flags. That
# part is parsed once by the test syntax.parse_pool: they require the fixture parsed_pool.
set_target_properties(multiprocessing_precompiled PROPERTIES EXCLUDE_FROM_ALL FALSE)

# A parsed header can be used with the flags alone that it was parsed with.
set(target_definitions "$<TARGET_PROPERTY:multiprocessing_precompiled,COMPILE_DEFINITIONS>")
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
string(
  JOIN
  "\n"
  flags
  ${CMAKE_CXX20_STANDARD_COMPILE_OPTION}
  "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${build_type}}"
  "-Wall -Wextra -Winvalid-pch"
  "-I${PROJECT_SOURCE_DIR}/include"
  "$<$<BOOL:${target_definitions}>:-D$<JOIN:${target_definitions},\n-D>>"
  "-include ${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/multiprocessing_precompiled.dir/cmake_pch.hxx")
file(GENERATE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/syntax_flags.txt" CONTENT "${flags}\n")
set(syntax_flags "@${CMAKE_CURRENT_BINARY_DIR}/syntax_flags.txt")

set(parsed "${CMAKE_CURRENT_BINARY_DIR}/parsed_pool.hpp")
file(CONFIGURE OUTPUT "${parsed}" CONTENT "#include <multiprocessing/pool.hpp>\n")
set(suffix .pch)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(suffix .gch)
endif()
set(flags ${CMAKE_CXX20_STANDARD_COMPILE_OPTION} -Wall -Wextra "-I${PROJECT_SOURCE_DIR}/include")
add_test(NAME syntax.parse_pool COMMAND ${CMAKE_CXX_COMPILER} ${flags} -Werror -x c++-header
                                        "${parsed}" -o "${parsed}${suffix}")
set_tests_properties(syntax.parse_pool PROPERTIES FIXTURES_SETUP parsed_pool TIMEOUT 120)
set(pool_syntax_flags ${flags} -include "${parsed}")

# set_syntax_flags(SOURCE): sets `flags` to those that suffice for SOURCE, and `fixture` to what its test
# requires.
function(set_syntax_flags source)
  file(STRINGS ${source} narrow REGEX "<multiprocessing/(pool|serialization)\\.hpp>")
  if(narrow)
    set(flags ${pool_syntax_flags} PARENT_SCOPE)
    set(fixture parsed_pool PARENT_SCOPE)
  else()
    set(flags ${syntax_flags} PARENT_SCOPE)
    set(fixture "" PARENT_SCOPE)
  endif()
endfunction()
