// SPDX-License-Identifier: BSL-1.0
// A shared library, built several times, each with its own number.
#include <unistd.h>

#define CONCATENATED(a, b) a##b
#define FUNCTION(prefix, name) CONCATENATED(prefix, name)

extern "C" {
// The same name in all that are loaded by hand, and one of its own for the linker.
void exit_with_answer() { ::_exit(ANSWER); }
void FUNCTION(exit_with_, NAME)() { ::_exit(ANSWER); }
}
