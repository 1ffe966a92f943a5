// SPDX-License-Identifier: BSL-1.0
// That the killers of the tests kill where they say, or all that rests on them says nothing.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <set>

#include "child.hpp"
#include "random_killer.hpp"
#include "signal_storm.hpp"
#include "step_killer.hpp"
#include "watchdog.hpp"

namespace {

using namespace multiprocessing::test;
using std::chrono::milliseconds;

struct Shared {
  std::array<std::atomic<int>, 16> places;
};

class KillersTest : public testing::Test {
 protected:
  Watchdog watchdog;
  Shared& shared = *static_cast<Shared*>(
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ~KillersTest() override { ::munmap(&shared, sizeof(Shared)); }

  [[nodiscard]] int filled() const {
    int count = 0;
    for (const auto& place : shared.places) count += place.load();
    return count;
  }
  void clear() {
    for (auto& place : shared.places) place = 0;
  }
};

TEST_F(KillersTest, TheStepKillerKillsInEveryStateOfAnOperation) {
  std::set<int> seen;

  const StepReport report = kill_at_every_step({
      .arrange = [&] { clear(); },
      .act =
          [&] {
            for (auto& place : shared.places) place = 1;
          },
      .check = [&] { seen.insert(filled()); },
  });

  EXPECT_EQ(seen.size(), shared.places.size() + 1);
  EXPECT_FALSE(report.blocked);
  EXPECT_GT(report.instructions, 16);
  EXPECT_GE(report.kills, report.instructions < 200 ? report.instructions : 200);
}

TEST_F(KillersTest, TheStepKillerStartsAfterTheApproach) {
  kill_at_every_step({
      .arrange = [&] { clear(); },
      .approach = [&] { shared.places[3] = 1; },
      .act = [&] { shared.places[4] = 1; },
      .check = [&] { EXPECT_EQ(shared.places[3], 1); },
  });
}

TEST_F(KillersTest, TheStepKillerEndsWhereTheOperationBlocks) {
  const StepReport report = kill_at_every_step({.act = [] { ::pause(); }});

  EXPECT_TRUE(report.blocked);
  EXPECT_GT(report.kills, 5);
}

TEST_F(KillersTest, TheRandomKillerKillsAsOftenAsItIsAsked) {
  int checks = 0;

  kill_at_random({.kills = 20,
                  .processes = 3,
                  .work = [&](int number) { shared.places[static_cast<std::size_t>(number)] = 1; },
                  .check = [&] { ++checks; }});

  EXPECT_EQ(checks, 20);
  EXPECT_EQ(filled(), 3);
}

TEST_F(KillersTest, TheWatchdogEndsATestThatHangsAndItsChildren) {
  const int code = in_child([&] {
    const Watchdog short_tempered{milliseconds(50)};
    Child child([&] {
      shared.places[0] = static_cast<int>(::getpid());
      ::pause();
    });
    ::pause();
  });

  EXPECT_EQ(code, -SIGKILL);
  EXPECT_TRUE(eventually([&] { return shared.places[0] > 0 && ::kill(shared.places[0], 0) != 0; }));
}

TEST_F(KillersTest, AChildReportsItsExitCodeItsSignalAndItsException) {
  EXPECT_EQ(in_child([] {}), 0);
  EXPECT_EQ(in_child([] { return 7; }), 7);
  EXPECT_EQ(in_child([] { return false; }), 1);
  EXPECT_EQ(in_child([] { ::raise(SIGTERM); }), -SIGTERM);
  EXPECT_EQ(in_child([] { throw std::runtime_error("on purpose"); }), Child::kThrew);
}

TEST_F(KillersTest, ASignalStormInterruptsSystemCalls) {
  const SignalStorm storm;

  EXPECT_EQ(::pause(), -1);
  EXPECT_EQ(errno, EINTR);
  EXPECT_GT(SignalStorm::count(), 0);
}

}  // namespace
