// SPDX-License-Identifier: BSL-1.0
// A queue to wait for: join() returns when every item that was put has been dealt with.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <string>
#include <vector>

namespace mp = multiprocessing;

void eat(mp::JoinableQueue<std::string> dumplings, mp::Value<int> eaten) {
  for (;;) {  // until the program ends: a daemon needs no goodbye
    const std::string dumpling = dumplings.get();
    eaten.update([](int& count) { ++count; });
    dumplings.task_done();
  }
}

void cook(mp::JoinableQueue<std::string> dumplings) {
  for (int i = 1; i <= 10; ++i) {
    dumplings.put(fmt::format("dumpling {}", i));
    fmt::print("dumpling {} is ready\n", i);
  }
  dumplings.join();
  fmt::print("all of them are eaten\n");
}

int main() {
  mp::JoinableQueue<std::string> dumplings;
  mp::Value<int> eaten(0);

  std::vector<mp::Process> guests;
  for (int i = 0; i < 4; ++i) {
    guests.emplace_back(mp::ProcessOptions{.daemon = true}, eat, dumplings, eaten).start();
  }
  mp::Process kitchen(cook, dumplings);
  kitchen.start();
  kitchen.join();

  fmt::print("{} dumplings in all\n", eaten.value());
}
