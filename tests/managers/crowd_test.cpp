// SPDX-License-Identifier: BSL-1.0
// When the sessions of a server look for the next message before they sleep, and where they run.
#include "managers/crowd.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdint>
#include <vector>

#include "managers/follower.hpp"

namespace multiprocessing::managers {
namespace {

constexpr std::int64_t kLong = 10'000'000;
constexpr std::int64_t kSoon = 1'000;

TEST(Crowd, AsManySessionsAsHaveCpusLookForTheirNextRequest) {
  Crowd crowd(2);
  std::int64_t first = 0;
  std::int64_t second = 0;
  for (std::int64_t now = 0; now < 10 * kLong; now += kSoon) {
    ASSERT_FALSE(crowd.note(first, now));
    ASSERT_FALSE(crowd.note(second, now));
  }
}

TEST(Crowd, OneMoreMakesAllSleep) {
  Crowd crowd(2);
  std::vector<std::int64_t> seen(3);
  for (auto& each : seen) crowd.note(each, kSoon);
  for (std::int64_t now = 2 * kSoon; now < 10 * kLong; now += kSoon) {
    for (auto& each : seen) ASSERT_TRUE(crowd.note(each, now));
  }
}

TEST(Crowd, WhoIsLeftAloneLooksAgainSoon) {
  Crowd crowd(1);
  std::int64_t first = 0;
  std::int64_t second = 0;
  crowd.note(first, kSoon);
  ASSERT_TRUE(crowd.note(second, kSoon));
  EXPECT_FALSE(crowd.note(first, kLong));
}

TEST(Crowd, SessionsThatAreAtWorkOneAfterTheOtherAreNoCrowd) {
  Crowd crowd(1);
  std::int64_t first = 0;
  std::int64_t second = 0;
  for (std::int64_t now = 0; now < 100 * kLong; now += 2 * kLong) {
    ASSERT_FALSE(crowd.note(first, now));
    ASSERT_FALSE(crowd.note(second, now + kLong));
  }
}

cpu_set_t allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  return set;
}

TEST(Follower, AThreadComesToAClientThatIsOftenElsewhereAndMayStillRunEverywhere) {
  const cpu_set_t before = allowed_cpus();
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &before)) continue;
    Follower follower;
    bool came = false;
    // The kernel may take it elsewhere at any time.
    for (int i = 0; i < 1'000'000 && !came; ++i) {
      follower.follow(cpu);
      came = ::sched_getcpu() == cpu;
    }
    EXPECT_TRUE(came) << "to CPU " << cpu;
    const cpu_set_t after = allowed_cpus();
    EXPECT_TRUE(CPU_EQUAL(&before, &after));
  }
}

TEST(Follower, ACpuThatTheThreadMayNotRunOnIsLeftAlone) {
  const cpu_set_t before = allowed_cpus();
  int forbidden = 0;
  while (CPU_ISSET(forbidden, &before)) ++forbidden;
  Follower follower;
  for (int i = 0; i < 1000; ++i) follower.follow(forbidden);
  const cpu_set_t after = allowed_cpus();
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

}  // namespace
}  // namespace multiprocessing::managers
