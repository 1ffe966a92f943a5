// SPDX-License-Identifier: BSL-1.0
// A queue without a type takes what Python's takes: numbers, text, lists, and None at the end.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>

namespace mp = multiprocessing;

void consume(mp::Queue<> queue) {
  for (;;) {
    const mp::Object item = queue.get();
    if (item.is_none()) break;
    if (item.is<int>()) {
      fmt::print("a number, doubled: {}\n", 2 * item.as<int>());
    } else {
      fmt::print("{}\n", item);
    }
  }
}

int main() {
  mp::Queue<> queue;
  mp::Process consumer(consume, queue);
  consumer.start();

  queue.put(21);
  queue.put("dumplings");
  queue.put(2.5);
  queue.put(mp::Object::list({1, "two", nullptr}));
  queue.put(mp::Object::dict({{"name", "Ada"}, {"born", 1815}}));
  queue.put(nullptr);
  consumer.join();
}
