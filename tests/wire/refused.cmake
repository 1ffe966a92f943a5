# SPDX-License-Identifier: BSL-1.0
# cmake -DCOMPILER=… -DINCLUDES=… -DSOURCE=… -P refused.cmake: the source has to compile without
# -DREFUSED, and with it has to give the errors that the `// refused: …` of its lines tell of,
# regular expressions, and no other.
list(TRANSFORM INCLUDES PREPEND -I)
set(compile ${COMPILER} -std=c++20 -fsyntax-only ${INCLUDES} ${SOURCE})

execute_process(COMMAND ${compile} RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "does not compile without -DREFUSED either")
endif()

execute_process(COMMAND ${COMPILER} --version OUTPUT_VARIABLE version)
if(version MATCHES clang)
  list(APPEND compile -ferror-limit=0)
endif()
execute_process(COMMAND ${compile} -DREFUSED ERROR_VARIABLE errors OUTPUT_VARIABLE errors)
string(REPLACE ";" "," errors "${errors}")
string(REGEX MATCHALL "error: [^\n]*" errors "${errors}")

file(STRINGS ${SOURCE} expectations REGEX "// refused: ")
foreach(expectation IN LISTS expectations)
  string(REGEX REPLACE ".*// refused: " "" reason "${expectation}")
  if(NOT errors MATCHES "multiprocessing: ${reason}")
    message(SEND_ERROR "not refused with this reason: ${expectation}")
  endif()
endforeach()
list(LENGTH expectations expected)
list(LENGTH errors found)
if(NOT found EQUAL expected)
  list(JOIN errors "\n" errors)
  message(SEND_ERROR "${expected} errors expected, ${found} found:\n${errors}")
endif()
