// SPDX-License-Identifier: BSL-1.0
// Questions and answers over one pipe: a worker doubles numbers until it is told to stop.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <optional>

namespace mp = multiprocessing;

void double_numbers(mp::Connection connection) {
  while (const auto number = connection.recv<std::optional<int>>()) connection.send(2 * *number);
  connection.close();
}

int main() {
  auto [here, there] = mp::Pipe();
  mp::Process worker(double_numbers, there);
  worker.start();
  there.close();  // the worker's end: were it killed, recv() would say EOFError

  for (int number : {10, 20, 30, 40, 50}) {
    here.send(std::optional(number));
    fmt::print("{} doubled is {}\n", number, here.recv<int>());
  }
  here.send(std::optional<int>());
  worker.join();
  fmt::print("the worker has ended, with exit code {}\n", worker.exitcode().value());
}
