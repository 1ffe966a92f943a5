// SPDX-License-Identifier: BSL-1.0
// A lock around two accounts: money that many processes move at once is never lost.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <mutex>
#include <vector>

namespace mp = multiprocessing;

struct Accounts {
  mp::RawValue<long> savings{1'000'000};
  mp::RawValue<long> current{0};
};

void move_money(mp::Lock lock, Accounts accounts, long amount, int times) {
  for (int i = 0; i < times; ++i) {
    const std::scoped_lock guard(lock);
    accounts.savings.value() -= amount;
    accounts.current.value() += amount;
  }
}

int main() {
  mp::Lock lock;
  Accounts accounts;

  std::vector<mp::Process> processes;
  for (long amount : {7, -3, 5, -4}) {
    processes.emplace_back(move_money, lock, accounts, amount, 10'000).start();
  }
  for (mp::Process& process : processes) process.join();

  fmt::print("savings {}\n", accounts.savings.value());
  fmt::print("current {}\n", accounts.current.value());
  fmt::print("sum     {}\n", accounts.savings.value() + accounts.current.value());
}
