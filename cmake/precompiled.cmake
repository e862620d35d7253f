# SPDX-License-Identifier: BSL-1.0
# use_precompiled_library(TARGET): has a program of ours start from the parsed library, which is parsed
# once for all of them.
file(GENERATE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/precompiled.cpp" CONTENT "")
add_library(multiprocessing_precompiled OBJECT EXCLUDE_FROM_ALL
                                               "${CMAKE_CURRENT_BINARY_DIR}/precompiled.cpp")
target_link_libraries(multiprocessing_precompiled PRIVATE multiprocessing multiprocessing_warnings)
target_precompile_headers(multiprocessing_precompiled PRIVATE <multiprocessing.hpp>)
target_compile_options(multiprocessing_precompiled
                       PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
function(use_precompiled_library target)
  target_precompile_headers(${target} REUSE_FROM multiprocessing_precompiled)
  # with it ccache sees through precompiled headers
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endfunction()
