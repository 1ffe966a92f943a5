# SPDX-License-Identifier: BSL-1.0
# cmake -P format.cmake: fails on a file that clang-format would change; -DFIX=ON changes it.
#
# Each clang-format lays out a few lines in its own way, so the one of Debian 12 decides; with
# another the test is reported as skipped.
set(version 14)

get_filename_component(root "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
find_program(clang_format NAMES clang-format-${version} clang-format)
if(NOT clang_format)
  message(FATAL_ERROR "clang-format is missing: apt-get install clang-format")
endif()
execute_process(COMMAND ${clang_format} --version OUTPUT_VARIABLE found)
if(NOT found MATCHES "version ${version}\\.")
  message("SKIPPED: clang-format ${version} decides, this is ${found}")
  return()
endif()

file(GLOB_RECURSE files ${root}/include/*.hpp ${root}/src/*.[ch]pp ${root}/tests/*.[ch]pp
     ${root}/samples/*.[ch]pp ${root}/benchmarks/*.[ch]pp)
if(FIX)
  set(mode -i)
else()
  set(mode --dry-run -Werror)
endif()
execute_process(COMMAND ${clang_format} ${mode} --style=file ${files} RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "Let clang-format correct it: cmake -DFIX=ON -P tests/tidy/format.cmake")
endif()
