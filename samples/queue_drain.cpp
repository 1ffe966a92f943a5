// SPDX-License-Identifier: BSL-1.0
// One process puts, another takes without waiting until nothing is left.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <string>

namespace mp = multiprocessing;

void put_data(mp::Queue<std::string> queue) {
  for (int i = 1; i <= 3; ++i) queue.put(fmt::format("item {}", i));
}

void get_data(mp::Queue<std::string> queue) {
  try {
    for (;;) fmt::print("got {}\n", queue.get_nowait());
  } catch (const mp::Empty&) {
    fmt::print("all items have been taken\n");
  }
}

int main() {
  mp::Queue<std::string> queue;
  mp::Process putter(put_data, queue);
  mp::Process getter(get_data, queue);

  // What a put returned from is there: the getter needs no pause before it looks.
  putter.start();
  putter.join();
  getter.start();
  getter.join();
}
