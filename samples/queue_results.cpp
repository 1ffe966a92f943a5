// SPDX-License-Identifier: BSL-1.0
// Several processes compute, and give their results back through one queue.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <multiprocessing/multiprocessing.hpp>
#include <utility>
#include <vector>

namespace mp = multiprocessing;

void square(int number, mp::Queue<std::pair<int, int>> results) {
  results.put({number, number * number});
}

int main() {
  mp::Queue<std::pair<int, int>> results;
  std::vector<mp::Process> processes;
  for (int number : {1, 2, 3, 4, 5}) processes.emplace_back(square, number, results).start();
  for (mp::Process& process : processes) process.join();

  std::vector<std::pair<int, int>> squares;
  while (!results.empty()) squares.push_back(results.get());
  std::ranges::sort(squares);
  fmt::print("numbers and squares: {}\n", squares);
}
