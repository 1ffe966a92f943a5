// SPDX-License-Identifier: BSL-1.0
// The two ends of a pipe: what goes in at one comes out at the other, with its type.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <string>

namespace mp = multiprocessing;

int main() {
  auto [left, right] = mp::Pipe();

  left.send("hello");
  fmt::print("{}\n", right.recv<std::string>());

  right.send(42);
  try {
    static_cast<void>(left.recv<std::string>());
  } catch (const mp::TypeError&) {
    fmt::print("that is not a text, but it is not lost: {}\n", left.recv<int>());
  }
}
