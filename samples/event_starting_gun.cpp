// SPDX-License-Identifier: BSL-1.0
// An event wakes all who wait for it: runners wait for the starting gun.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <set>
#include <string>
#include <vector>

namespace mp = multiprocessing;

void run(mp::Event gun, mp::Queue<std::string> ready, mp::Queue<std::string> finished) {
  ready.put(mp::current_process().name());
  gun.wait();
  finished.put(mp::current_process().name());
}

int main() {
  mp::Event gun;
  mp::Queue<std::string> ready;
  mp::Queue<std::string> finished;
  std::vector<mp::Process> runners;
  for (const char* name : {"Atalanta", "Hermes", "Pheidippides"}) {
    runners.emplace_back(mp::ProcessOptions{.name = name}, run, gun, ready, finished).start();
  }

  std::set<std::string> names;  // they come in any order
  for (std::size_t i = 0; i < runners.size(); ++i) names.insert(ready.get());
  for (const std::string& name : names) fmt::print("{} is ready\n", name);
  fmt::print("finished before the start: {}\n", finished.qsize());

  gun.set();
  for (mp::Process& runner : runners) runner.join();
  fmt::print("finished after it:         {}\n", finished.qsize());
}
