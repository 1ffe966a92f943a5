// SPDX-License-Identifier: BSL-1.0
// A type of the program's own in a manager's server: its methods are called by name, from any
// process, and their exceptions arrive at the caller.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <stdexcept>

namespace mp = multiprocessing;

class Account {
 public:
  explicit Account(int balance) : balance_(balance) {}
  int deposit(int amount) { return balance_ += amount; }
  int withdraw(int amount) {
    if (amount > balance_) throw std::domain_error("not enough money");
    return balance_ -= amount;
  }
  [[nodiscard]] int balance() const { return balance_; }

 private:
  int balance_;
};

void spend(mp::AutoProxy account) {
  account.call<int>("withdraw", 30);
  try {
    account.call<int>("withdraw", 1000);
  } catch (const mp::RemoteError& error) {
    fmt::print("{}: {}\n", error.type_name(), error.message());
  }
}

int main() {
  mp::BaseManager bank;
  bank.register_type<Account>("Account", "deposit", &Account::deposit, "withdraw",
                              &Account::withdraw, "balance", &Account::balance);
  bank.start();

  auto account = bank.create<Account>("Account", 100);
  mp::Process p(spend, account);
  p.start();
  p.join();

  fmt::print("{} left\n", account.call<int>("balance"));
}
