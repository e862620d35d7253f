# SPDX-License-Identifier: BSL-1.0
# add_test_program(FLOOR [WHOLE_LIBRARY] [SUBJECTS WORD+WORD...]): tests/FLOOR/test_*.cpp become the
# program test_FLOOR, and every file one CTest entry. WHOLE_LIBRARY: they include all of it, so it is
# parsed beforehand; the floors below must show that their headers suffice. Some files are compiled at
# once, for each would compile what it uses of the library again: seven; or, where SUBJECTS are given
# because others' names collide, those whose names begin with one of the words, else by first word.
option(MULTIPROCESSING_UNITY_TESTS "Compile some files of a test program at once" ON)

# A file's cases are chosen by the tag that Catch2 makes of its name, so that no name of a case,
# which may hold any character, passes through CTest. `--warn NoTests` turns an empty choice red.
function(add_test_program floor)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${floor}/test_*.cpp")
  if(NOT sources)
    return()
  endif()
  add_executable(test_${floor} ${sources})
  target_link_libraries(test_${floor} PRIVATE test_main multiprocessing_warnings)
  set_target_properties(test_${floor} PROPERTIES UNITY_BUILD ${MULTIPROCESSING_UNITY_TESTS}
                                                 UNITY_BUILD_BATCH_SIZE 7)
  cmake_parse_arguments(PARSE_ARGV 1 arg "WHOLE_LIBRARY" "" "SUBJECTS")
  if(arg_SUBJECTS)
    set_target_properties(test_${floor} PROPERTIES UNITY_BUILD_MODE GROUP)
    foreach(source ${sources})
      string(REGEX REPLACE ".*/test_([a-z]*)[^/]*$" "\\1" word "${source}")
      set(subject ${word})
      foreach(words ${arg_SUBJECTS})
        if("+${words}+" MATCHES "\\+${word}\\+")
          set(subject ${words})
        endif()
      endforeach()
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${subject})
    endforeach()
  endif()
  if(arg_WHOLE_LIBRARY)
    target_precompile_headers(test_${floor} REUSE_FROM test_precompiled)
    # with it ccache sees through precompiled headers
    target_compile_options(test_${floor} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  endif()
  foreach(source ${sources})
    cmake_path(GET source STEM name)
    string(REGEX REPLACE "^test_" "" short "${name}")
    add_test(NAME ${floor}.${short} COMMAND test_${floor} --filenames-as-tags "[#${name}]~[.]"
                                            --warn NoTests --order decl --durations no)
    set_tests_properties(${floor}.${short} PROPERTIES TIMEOUT 300 LABELS ${floor})
  endforeach()
endfunction()
