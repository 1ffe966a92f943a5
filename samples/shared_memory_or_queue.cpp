// SPDX-License-Identifier: BSL-1.0
// The same count by shared memory and by a queue; with --times also how long each takes.
#include <fmt/core.h>

#include <chrono>
#include <multiprocessing/multiprocessing.hpp>
#include <string_view>
#include <utility>

namespace mp = multiprocessing;

constexpr int kRounds = 10'000;

void count_in_memory(mp::Value<int> counter, mp::Array<int> numbers) {
  for (int i = 0; i < kRounds; ++i) {
    counter.update([](int& count) { ++count; });
    for (int& n : numbers) ++n;
  }
}

void count_in_queue(mp::Queue<int> queue) {
  for (int i = 0; i < kRounds; ++i) queue.put(1);
}

// Runs the process and, when it has ended, `afterwards`; says how many seconds that took.
template <class F> double seconds(mp::Process process, F afterwards) {
  const auto start = std::chrono::steady_clock::now();
  process.start();
  process.join();
  afterwards();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int main(int argc, char** argv) {
  const bool times = argc > 1 && std::string_view(argv[1]) == "--times";

  mp::Value<int> counter(0);
  mp::Array<int> numbers(10);
  const double by_memory = seconds(mp::Process(count_in_memory, counter, numbers), [] {});
  fmt::print("shared memory counted to {}, and each of 10 numbers to {}\n", counter.value(),
             numbers[9]);

  mp::Queue<int> queue;
  int count = 0;
  const double by_queue = seconds(mp::Process(count_in_queue, queue), [&] {
    while (!queue.empty()) count += queue.get();
  });
  fmt::print("the queue counted to {}\n", count);

  if (times) {
    fmt::print("shared memory {:.4f} s, queue {:.4f} s: {:.1f} times as long\n", by_memory,
               by_queue, by_queue / by_memory);
  }
}
