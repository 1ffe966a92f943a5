// SPDX-License-Identifier: BSL-1.0
// A process is killed while it holds a lock: the next one is told who died, and repairs the data.
#include <fmt/core.h>

#include <csignal>
#include <multiprocessing/multiprocessing.hpp>

namespace mp = multiprocessing;

struct Accounts {
  int savings;
  int current;
};

void transfer_and_die(mp::Value<Accounts> accounts, int amount) {
  accounts.update([&](Accounts& a) {
    a.savings -= amount;
    ::raise(SIGKILL);  // out of memory, say: here the money is nowhere
    a.current += amount;
  });
}

int main() {
  mp::Value<Accounts> accounts(100, 50);
  mp::Process clerk({.name = "clerk"}, transfer_and_die, accounts, 30);
  clerk.start();
  clerk.join();
  fmt::print("{} ended by signal {}\n", clerk.name(), -clerk.exitcode().value());

  try {
    accounts.acquire();
  } catch (const mp::OwnerDiedError& error) {
    fmt::print("the lock says who died: {}\n", error.name());
  }

  const Accounts torn = accounts.value();
  fmt::print("what it left behind: {} + {} = {}\n", torn.savings, torn.current,
             torn.savings + torn.current);
  accounts.get_lock().make_consistent([&] { accounts.value().savings = 150 - torn.current; });

  const int sum = accounts.update([](Accounts& a) { return a.savings + a.current; });
  fmt::print("after the repair the lock works again, and the sum is {}\n", sum);
}
