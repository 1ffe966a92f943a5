// SPDX-License-Identifier: BSL-1.0
#include "os/spin.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdint>

#include "child.hpp"
#include "os/clock.hpp"

namespace multiprocessing::os {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// This process on one CPU alone.
class LetOthersRun : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::sched_getaffinity(0, sizeof before_, &before_), 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &before_)) ++cpu;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  }
  void TearDown() override { ::sched_setaffinity(0, sizeof before_, &before_); }

  // Another process on the same, until it is killed.
  static test::Child start_to_calculate() {
    return test::Child([] {
      for (;;) cpu_relax();
    });
  }

  cpu_set_t before_{};
};

TEST_F(LetOthersRun, TakesAMomentWhereNobodyElseWantsTheCpu) {
  const std::int64_t until = now_ns() + 10 * kSecond;
  while (let_others_run(now_ns()) != Yield::kShort) ASSERT_LT(now_ns(), until);
}

TEST_F(LetOthersRun, IsNotTriedAgainSoonWhereOneKeptTheCpuForItsWholeTurn) {
  const auto other = start_to_calculate();
  const std::int64_t until = now_ns() + 10 * kSecond;
  std::int64_t begin = 0;
  do {
    begin = now_ns();
    ASSERT_LT(begin, until);
  } while (let_others_run(begin) != Yield::kWholeTurn);

  EXPECT_EQ(let_others_run(begin), Yield::kNotTried);
}

TEST_F(LetOthersRun, LosesLittleOfItsTimeToOneThatCalculates) {
  const auto other = start_to_calculate();
  const std::int64_t begin = now_ns();
  std::int64_t lost = 0;
  std::int64_t now = begin;
  for (; now < begin + kSecond; now = now_ns()) {
    if (let_others_run(now) == Yield::kWholeTurn) lost += now_ns() - now;
  }

  EXPECT_LT(lost, (now - begin) / 2);
}

}  // namespace
}  // namespace multiprocessing::os
