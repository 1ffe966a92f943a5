// SPDX-License-Identifier: BSL-1.0
// A queue for three: what put_nowait and get_nowait say when there is no room, or nothing left.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <string>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

int main() {
  mp::Queue<std::string> queue(3);
  for (const char* item : {"1", "2", "3"}) queue.put(item);
  fmt::print("{} of 3, full: {}\n", queue.qsize(), queue.full());

  try {
    queue.put_nowait("4");
  } catch (const mp::Full&) {
    fmt::print("the queue is full\n");
  }

  while (!queue.empty()) fmt::print("{}\n", queue.get());

  try {
    static_cast<void>(queue.get_nowait());
  } catch (const mp::Empty&) {
    fmt::print("the queue is empty\n");
  }
  try {
    static_cast<void>(queue.get(10ms));
  } catch (const mp::Empty&) {
    fmt::print("and stays so for ten milliseconds\n");
  }
}
