// SPDX-License-Identifier: BSL-1.0
// Three producers and two consumers on one queue, which end when nothing more comes.
#include <fmt/core.h>

#include <map>
#include <multiprocessing/multiprocessing.hpp>
#include <string>
#include <vector>

namespace mp = multiprocessing;

void produce(mp::Queue<std::string> queue, int producer, int items) {
  for (int i = 0; i < items; ++i) queue.put(fmt::format("P{}-{}", producer, i));
}

void consume(mp::Queue<std::string> queue, mp::Queue<std::string> seen) {
  for (;;) {
    const std::string item = queue.get();
    if (item == "STOP") break;
    seen.put(item);
  }
}

int main() {
  mp::Queue<std::string> queue;
  mp::Queue<std::string> seen;
  std::vector<mp::Process> producers;
  std::vector<mp::Process> consumers;
  for (int i = 0; i < 3; ++i) producers.emplace_back(produce, queue, i, 5).start();
  for (int i = 0; i < 2; ++i) consumers.emplace_back(consume, queue, seen).start();

  for (mp::Process& producer : producers) producer.join();
  for (std::size_t i = 0; i < consumers.size(); ++i) queue.put("STOP");
  for (mp::Process& consumer : consumers) consumer.join();

  std::map<std::string, int> times;
  while (!seen.empty()) ++times[seen.get()];
  for (const auto& [item, count] : times) fmt::print("{} was consumed {} time\n", item, count);
}
