// SPDX-License-Identifier: BSL-1.0
// Numbers from one process to another by pipe, queue and shared memory; --times measures them.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <multiprocessing/multiprocessing.hpp>
#include <numeric>
#include <string>
#include <string_view>

namespace mp = multiprocessing;
using Sum = mp::Value<long>;

constexpr int kMessages = 1000;

void send_numbers(mp::Connection to) {
  for (int i = 0; i < kMessages; ++i) to.send(i);
}
void receive_numbers(mp::Connection from, Sum sum) {
  for (int i = 0; i < kMessages; ++i) sum.value() += from.recv<int>();
}
void put_numbers(mp::Queue<int> queue) {
  for (int i = 0; i < kMessages; ++i) queue.put(i);
}
void get_numbers(mp::Queue<int> queue, Sum sum) {
  for (int i = 0; i < kMessages; ++i) sum.value() += queue.get();
}
void fill_array(mp::Array<int> numbers, mp::Event filled) {
  std::iota(numbers.begin(), numbers.end(), 0);
  filled.set();
}
void add_array(mp::Array<int> numbers, mp::Event filled, Sum sum) {
  filled.wait();
  sum.value() = std::accumulate(numbers.begin(), numbers.end(), 0L);
}

double seconds(mp::Process from, mp::Process to) {
  const auto start = std::chrono::steady_clock::now();
  from.start();
  to.start();
  from.join();
  to.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int main(int argc, char** argv) {
  const bool times = argc > 1 && std::string_view(argv[1]) == "--times";
  auto [here, there] = mp::Pipe();
  mp::Queue<int> queue;
  mp::Array<int> numbers(kMessages);
  mp::Event filled;
  std::map<std::string, Sum> sums;

  std::map<std::string, double> took;
  took["pipe"] =
      seconds(mp::Process(send_numbers, here), mp::Process(receive_numbers, there, sums["pipe"]));
  took["queue"] =
      seconds(mp::Process(put_numbers, queue), mp::Process(get_numbers, queue, sums["queue"]));
  took["shared memory"] = seconds(mp::Process(fill_array, numbers, filled),
                                  mp::Process(add_array, numbers, filled, sums["shared memory"]));

  const double fastest =
      std::ranges::min_element(took, {}, [](auto& t) { return t.second; })->second;
  for (auto& [way, sum] : sums) {
    fmt::print("{:<15}{} numbers, their sum is {}", way, kMessages, sum.value());
    if (times) fmt::print("   {:.3f} ms, {:.2f} x", took[way] * 1e3, took[way] / fastest);
    fmt::print("\n");
  }
}
