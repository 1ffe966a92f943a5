// SPDX-License-Identifier: BSL-1.0
// A user's program: it compiles and links with nothing but what the package brings along.
#include <fmt/format.h>

#include <multiprocessing/errors.hpp>

namespace mp = multiprocessing;

int main() {
  try {
    throw mp::OwnerDiedError(1, "Process-1", 0);
  } catch (const mp::Error& error) {
    fmt::print("{}\n", error.what());
    return 0;
  }
}
