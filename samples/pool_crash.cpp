// SPDX-License-Identifier: BSL-1.0
// A task that crashes: it alone is lost, all the others end, and the pool goes on.
#include <fmt/core.h>

#include <csignal>
#include <multiprocessing/multiprocessing.hpp>
#include <vector>

namespace mp = multiprocessing;

int fragile(int x) {
  if (x == 3) std::raise(SIGSEGV);
  return 10 * x;
}

int main() {
  mp::Pool pool(2);

  // [readme:crash]
  auto results = pool.imap(fragile, std::vector<int>{1, 2, 3, 4, 5});
  for (int item = 1; item <= 5; ++item) {
    try {
      fmt::print("{}: {}\n", item, *results.next());
    } catch (const mp::WorkerLost& lost) {
      fmt::print("{}: its worker was lost by signal {}\n", item, -lost.exitcode());
    }
  }
  // [/readme:crash]
  fmt::print("and the pool goes on: {}\n", pool.apply(fragile, 6));
}
