# SPDX-License-Identifier: BSL-1.0
# cmake -D program=... -D expected=FILE -P compare.cmake: runs a sample; fails if it fails or does
# not print exactly what the file says.
execute_process(COMMAND ${program} OUTPUT_VARIABLE printed ERROR_VARIABLE errors
                RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${program} ended with ${result}:\n${printed}${errors}")
endif()
file(READ ${expected} wanted)
if(NOT printed STREQUAL wanted)
  message(FATAL_ERROR "${program} printed\n${printed}instead of\n${wanted}${errors}")
endif()
