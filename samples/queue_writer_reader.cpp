// SPDX-License-Identifier: BSL-1.0
// A writer and a reader that run at the same time; an empty message says that it is over.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <optional>

namespace mp = multiprocessing;

void write_numbers(mp::Queue<std::optional<int>> queue) {
  for (int value = 0; value < 10; ++value) queue.put(value);
  queue.put(std::nullopt);
}

// get() waits for the next value: no need to ask whether the queue is empty.
void read_numbers(mp::Queue<std::optional<int>> queue) {
  while (const std::optional<int> value = queue.get()) fmt::print("got {}\n", *value);
}

int main() {
  mp::Queue<std::optional<int>> queue;
  mp::Process writer(write_numbers, queue);
  mp::Process reader(read_numbers, queue);
  reader.start();
  writer.start();
  writer.join();
  reader.join();
}
