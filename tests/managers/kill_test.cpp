// SPDX-License-Identifier: BSL-1.0
// Clients killed anywhere in a call: the server and the others go on, what the killed referred to
// and held is given back, and no object is lost that somebody else refers to.
#include <unistd.h>

#include <random>
#include <utility>
#include <vector>

#include "manager_test.hpp"
#include "random_killer.hpp"
#include "step_killer.hpp"

namespace multiprocessing {
namespace {

using test::eventually;
using namespace std::chrono_literals;

using Numbers = ListProxy<int>;

class ManagerUnderKills : public testing::Test {
 protected:
  bool objects_are(std::size_t n) {
    return eventually([&] { return manager_.number_of_objects() == n; }, 10s);
  }

  test::Watchdog watchdog_{std::chrono::seconds(test::rounds(120, 1200))};
  Manager manager_;
};

TEST_F(ManagerUnderKills, ACallThatSendsAndOneThatTakesAProxyHarmNobodyAtAnyInstruction) {
  const auto numbers = manager_.list<int>({7});
  const auto shelf = manager_.dict<int, Numbers>({{1, numbers}});

  const auto report =
      test::kill_at_every_step({.approach = [&] { static_cast<void>(numbers.size()); },
                                .act = [&] { shelf[2] = shelf.at(1); },
                                .check =
                                    [&] {
                                      EXPECT_EQ(shelf.at(1).at(0), 7);
                                      EXPECT_EQ(numbers.at(0), 7);
                                    }},
                               {.usual = 60, .every = 20});

  EXPECT_FALSE(report.blocked);
  EXPECT_EQ(shelf.at(2).at(0), 7);
  EXPECT_TRUE(objects_are(2));
}

TEST_F(ManagerUnderKills, ProxiesThatTheKilledHadOrSentAreGivenUpAndThoseOfOthersStay) {
  const auto shelf = manager_.dict<int, Numbers>();
  const auto queue = manager_.Queue<Numbers>();
  const auto trade = [&](int) {
    thread_local std::mt19937 random(static_cast<unsigned>(::getpid()));
    thread_local std::vector<Numbers> own;
    const int place = static_cast<int>(random() % 8);
    switch (random() % 5) {
      case 0:
        own.push_back(manager_.list<int>({7}));
        break;
      case 1:
        if (!own.empty()) shelf[place] = own.back();
        break;
      case 2:
        if (shelf.contains(place)) own.push_back(shelf.at(place));
        break;
      case 3:
        if (!own.empty()) queue.put(own.front());
        break;
      default:
        if (!queue.empty()) own.push_back(queue.get());
        break;
    }
    for (const Numbers& numbers : own) {
      if (numbers.at(0) != 7) ::_exit(1);
    }
    if (own.size() > 4) own.erase(own.begin());
  };

  test::kill_at_random({.kills = test::rounds(150, 2'000), .processes = 3, .work = trade});

  shelf.clear();
  while (!queue.empty()) static_cast<void>(queue.get());
  EXPECT_TRUE(objects_are(2));
}

TEST_F(ManagerUnderKills, LocksAndPermitsOfTheKilledAreGivenBack) {
  LockProxy lock = manager_.Lock();
  const auto pair = manager_.list<int>({0, 0});
  BoundedSemaphoreProxy permits = manager_.BoundedSemaphore(2);
  const auto count = [&](int) {
    const std::scoped_lock permit(permits);
    try {
      const std::scoped_lock guard(lock);
      const int before = pair.at(0);
      pair[1] = before;
      if (pair.at(0) != before || pair.at(1) != before) ::_exit(1);  // another is here
      pair[0] = before + 1;
    } catch (const OwnerDiedError&) {
      lock.make_consistent();
    }
  };

  test::kill_at_random({.kills = test::rounds(150, 2'000), .processes = 4, .work = count});

  // The server may hear of the last death only now.
  const auto acquire = [&] {
    try {
      return lock.acquire(10s);
    } catch (const OwnerDiedError&) {
      lock.make_consistent();
      return lock.acquire(10s);
    }
  };
  ASSERT_TRUE(acquire());
  EXPECT_GT(pair.at(0), 0);
  EXPECT_TRUE(eventually([&] { return permits.get_value() == 2; }, 10s));
}

}  // namespace
}  // namespace multiprocessing
