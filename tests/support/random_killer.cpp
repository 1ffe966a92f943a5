// SPDX-License-Identifier: BSL-1.0
#include "random_killer.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "child.hpp"

namespace multiprocessing::test {
namespace {

unsigned seed() {
  const char* given = std::getenv("MULTIPROCESSING_TEST_SEED");
  return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10))
                          : std::random_device{}();
}

}  // namespace

void kill_at_random(const RandomKills& options) {
  const unsigned chosen = seed();
  std::mt19937 random(chosen);
  const auto below = [&](auto limit) {
    return std::uniform_int_distribution<decltype(limit)>(0, limit)(random);
  };
  std::vector<Child> processes;
  const auto start = [&](int number) {
    return Child([&options, number] {
      for (;;) options.work(number);
    });
  };
  for (int i = 0; i < options.processes; ++i) processes.push_back(start(i));
  for (int kill = 0; kill < options.kills; ++kill) {
    std::this_thread::sleep_for(std::chrono::microseconds(below(options.within.count())));
    const int number = below(options.processes - 1);
    Child& victim = processes[static_cast<std::size_t>(number)];
    if (victim.ended()) ADD_FAILURE() << "a process ended by itself: " << victim.wait();
    victim.kill();
    options.check();
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "after kill " << kill << "; MULTIPROCESSING_TEST_SEED=" << chosen;
      return;
    }
    victim = start(number);
  }
}

}  // namespace multiprocessing::test
