# SPDX-License-Identifier: BSL-1.0
# The warnings of our own programs; users of the library never see this target.
option(MULTIPROCESSING_WARNINGS_AS_ERRORS "Let a warning in our own programs fail the build" OFF)

add_library(multiprocessing_warnings INTERFACE)
target_compile_options(
  multiprocessing_warnings
  INTERFACE -Wall
            -Wextra
            -Wpedantic
            -Wshadow
            -Wconversion
            $<$<CXX_COMPILER_ID:Clang>:-Wdocumentation>
            $<$<BOOL:${MULTIPROCESSING_WARNINGS_AS_ERRORS}>:-Werror>)
