# SPDX-License-Identifier: BSL-1.0
# add_programs_together(TARGET SOURCE...): compiles small programs as one, because each alone would
# compile a whole library for a few lines. Every SOURCE becomes a program of its own name: a hard link
# to TARGET, where the name of the file that is executed says whose `main` it is.
#
# Each source stands in a namespace of its own, behind the headers of them all. So it includes nothing
# that is not in <>, and ends with its `main`, which may lack its `return`.
function(add_programs_together target)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
  set(batch_size 16)  # compiled at once
  set(declarations)
  set(lookups)
  set(links)
  set(files)
  list(LENGTH ARGN count)
  math(EXPR last "(${count} - 1) / ${batch_size}")
  foreach(batch RANGE ${last})
    math(EXPR first "${batch} * ${batch_size}")
    list(SUBLIST ARGN ${first} ${batch_size} sources)
    set(headers)
    set(programs)
    set(choices)
    foreach(source ${sources})
      cmake_path(GET source STEM name)
      list(APPEND links COMMAND ln -f $<TARGET_FILE_NAME:${target}> ${name})
      file(STRINGS ${source} includes REGEX "^#include <")
      list(APPEND headers ${includes})
      file(READ ${source} text)
      string(REGEX REPLACE "}\n*$" "    return 0;\n}\n" text "${text}")
      string(APPEND programs "namespace program_${name} {\n#line 1 \"${source}\"\n${text}}\n")
      string(APPEND choices "    if (name == \"${name}\")\n"
             "        return [](int c, char** v) { return start(program_${name}::program, c, v); };\n")
    endforeach()
    list(REMOVE_DUPLICATES headers)
    list(JOIN headers "\n" headers)
    set(file ${CMAKE_CURRENT_BINARY_DIR}/${target}_${batch}.cpp)
    set(look_up "main_function ${target}_${batch}(std::string_view name)")
    file(
      GENERATE
      OUTPUT ${file}
      CONTENT
        "${headers}
#include <string_view>
#define main program
${programs}
#undef main
#line __LINE__ \"${file}\"
using main_function = int (*)(int, char**);
namespace {
[[maybe_unused]] int start(int (*program)(), int, char**) { return program(); }
[[maybe_unused]] int start(main_function program, int c, char** v) { return program(c, v); }
}
${look_up};
${look_up} {
${choices}    return nullptr;
}
")
    string(APPEND declarations "${look_up};\n")
    string(APPEND lookups "    if (found == nullptr)\n        found = ${target}_${batch}(name);\n")
    list(APPEND files ${file})
  endforeach()
  set(file ${CMAKE_CURRENT_BINARY_DIR}/${target}_main.cpp)
  file(
    GENERATE
    OUTPUT ${file}
    CONTENT
      "#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>
using main_function = int (*)(int, char**);
${declarations}
int main(int c, char** v) {
    const std::string name = std::filesystem::read_symlink(\"/proc/self/exe\").filename();
    main_function found = nullptr;
${lookups}    if (found != nullptr)
        return found(c, v);
    std::cerr << name << \" is not the name of a program\\n\";
    return 2;
}
")
  add_executable(${target} ${file} ${files})
  add_custom_command(TARGET ${target} POST_BUILD ${links} WORKING_DIRECTORY $<TARGET_FILE_DIR:${target}>)
endfunction()
