// SPDX-License-Identifier: BSL-1.0
// What the tests of Condition share: processes that wait, and counts of them.
#pragma once
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "memory/arena.hpp"
#include "sync_test.hpp"

namespace multiprocessing::test {

class ConditionTest : public SyncTest {
 protected:
  struct Counts {
    std::atomic<int> waiting;
    std::atomic<int> woken;
    std::atomic<int> value;
  };
  mp::Condition condition_;
  Counts& counts_ = *::new (memory::allocate(sizeof(Counts))) Counts{};
  ~ConditionTest() override { memory::deallocate(&counts_); }

  void wait_once() {
    const std::scoped_lock guard(condition_);
    ++counts_.waiting;
    if (condition_.wait()) ++counts_.woken;
  }
  Child start_waiter() {
    const int before = counts_.waiting;
    Child waiter([this] { wait_once(); });
    // Counted under the lock: who gets the lock after that finds it waiting.
    EXPECT_TRUE(eventually([&] { return counts_.waiting == before + 1; }));
    return waiter;
  }
  std::vector<Child> start_waiters(int count) {
    std::vector<Child> waiters;
    for (int i = 0; i < count; ++i) waiters.push_back(start_waiter());
    return waiters;
  }
  void notify(int n) {
    const std::scoped_lock guard(condition_);
    condition_.notify(n);
  }
  void notify_all() {
    const std::scoped_lock guard(condition_);
    condition_.notify_all();
  }
  // As many are woken, and it stays so.
  void expect_woken(int count) {
    EXPECT_TRUE(eventually([&] { return counts_.woken >= count; }));
    std::this_thread::sleep_for(120ms);
    EXPECT_EQ(counts_.woken, count);
  }
};

}  // namespace multiprocessing::test
