// SPDX-License-Identifier: BSL-1.0
// The language of the pool tests.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <ctime>
#include <iterator>
#include <multiprocessing/context.hpp>
#include <multiprocessing/partial.hpp>
#include <multiprocessing/pool.hpp>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "arena_test.hpp"

namespace multiprocessing::test {

using namespace std::chrono_literals;

inline int square(int x) { return x * x; }
inline pid_t own_pid(int /*item*/) { return ::getpid(); }

/// Every item from `first` to `last`.
inline std::vector<int> numbers(int first, int last) {
  std::vector<int> all(static_cast<std::size_t>(last - first + 1));
  std::iota(all.begin(), all.end(), first);
  return all;
}

/// Numbers that are made by a function of each as they are read.
template <class F> struct ReadBy {
  struct iterator {
    using iterator_category = std::input_iterator_tag;
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    using pointer = int*;
    using reference = int;
    int operator*() const { return (*read)(*at); }
    iterator& operator++() { return ++at, *this; }
    void operator++(int) { ++at; }
    bool operator==(const iterator& other) const { return at == other.at; }
    const F* read;
    const int* at;
  };
  F read;
  std::vector<int> items;
  iterator begin() const { return {&read, items.data()}; }
  iterator end() const { return {&read, items.data() + items.size()}; }
  [[nodiscard]] std::size_t size() const { return items.size(); }
};
template <class F> ReadBy(F, std::vector<int>) -> ReadBy<F>;

[[noreturn]] inline void wait_for_ever() {
  for (;;) ::pause();
}

/// The page of exit codes that the first spawned process makes stays for the next ones.
struct SpawnedBefore {
  SpawnedBefore() {
    Process process = get_context("spawn").Process([] {});
    process.start();
    process.join();
  }
};

/// Each test ends in time and leaves neither a process nor a block behind.
class PoolTest : private SpawnedBefore, public ArenaTest {
 protected:
  ~PoolTest() override { EXPECT_TRUE(active_children().empty()); }
};

class PoolStartTest : public PoolTest, public testing::WithParamInterface<std::string> {
 protected:
  const Context ctx = get_context(GetParam());
};

inline std::string start_method_name(const testing::TestParamInfo<std::string>& each) {
  return each.param;
}

/// What `act` throws as an E.
template <class E, class Act> E caught(const Act& act) {
  try {
    act();
  } catch (const E& error) {
    return error;
  }
  throw std::logic_error("nothing was thrown");
}

}  // namespace multiprocessing::test
