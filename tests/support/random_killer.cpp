// SPDX-License-Identifier: BSL-1.0
#include "random_killer.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
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
  const auto bytes = sizeof(std::atomic<int>) * static_cast<std::size_t>(options.processes);
  auto* begun = static_cast<std::atomic<int>*>(
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  std::vector<Child> processes;
  const auto start = [&](int number) {
    begun[number] = 0;
    return Child([&options, begun, number] {
      begun[number] = 1;
      for (;;) options.work(number);
    });
  };
  for (int i = 0; i < options.processes; ++i) processes.push_back(start(i));
  for (int kill = 0; kill < options.kills; ++kill) {
    const int number = below(options.processes - 1);
    Child& victim = processes[static_cast<std::size_t>(number)];
    eventually([&] { return begun[number] != 0 || victim.ended(); });
    std::this_thread::sleep_for(std::chrono::microseconds(below(options.within.count())));
    if (victim.ended()) ADD_FAILURE() << "a process ended by itself: " << victim.wait();
    victim.kill();
    options.check();
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "after kill " << kill << "; MULTIPROCESSING_TEST_SEED=" << chosen;
      break;
    }
    victim = start(number);
  }
  for (int i = 0; i < options.processes; ++i) {
    Child& process = processes[static_cast<std::size_t>(i)];
    eventually([&] { return begun[i] != 0 || process.ended(); });
  }
  processes.clear();
  ::munmap(begun, bytes);
}

}  // namespace multiprocessing::test
