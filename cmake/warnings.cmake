# SPDX-License-Identifier: BSL-1.0
# multiprocessing_warnings(<target>) asks for the warnings that all code of this project is free of.
function(multiprocessing_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                           $<$<BOOL:${MULTIPROCESSING_WERROR}>:-Werror>)
endfunction()
