// SPDX-License-Identifier: BSL-1.0
// Queues of the program that clients reach through a server.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/managers.hpp>
#include <multiprocessing/process.hpp>
#include <multiprocessing/queues.hpp>
#include <new>
#include <string>
#include <thread>

#include "child.hpp"
#include "process_state.hpp"
#include "tcp_connections.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using test::Child;
using namespace std::chrono_literals;

// A message that the server's process cannot copy.
struct Heavy {
  Heavy() = default;
  explicit Heavy(int value) : number(value) {}
  Heavy(const Heavy& other) : number(other.number) {
    if (in_server) throw std::bad_alloc();
  }
  Heavy(Heavy&&) = default;
  Heavy& operator=(const Heavy&) = default;
  Heavy& operator=(Heavy&&) = default;
  template <class Archive> void serialize(Archive& archive, unsigned /*version*/) {
    archive& number;
  }
  int number = 0;
  static inline bool in_server = false;
};

class SharedQueueTest : public testing::Test {
 protected:
  SharedQueueTest() {
    manager_.register_callable("joinable", [queue = joinable_] { return queue; });
    manager_.register_callable("bounded", [queue = bounded_] { return queue; });
    manager_.start();
    waits_in_get_ = manager_.Event();
  }
  /// Kills the client and waits until the server is done with it.
  static void end_in_server(Child client, int threads_before) {
    client.kill();
    EXPECT_TRUE(test::eventually([&] { return test::threads_of(server_pid()) <= threads_before; }));
  }
  [[nodiscard]] static pid_t server_pid() { return active_children().front().pid(); }
  /// Kills the client when it waits in get(), as a rule.
  void kill_in_get(Child client) {
    waits_in_get_.wait();
    std::this_thread::sleep_for(20ms);
    client.kill();
  }
  /// Once, and then no more.
  void expect_join_tells_of(pid_t taker, unsigned lost) {
    try {
      joinable_.join(10s);
      ADD_FAILURE() << "nobody was told";
    } catch (const OwnerDiedError& error) {
      EXPECT_EQ(error.pid(), taker);
      EXPECT_EQ(error.lost(), lost);
    }
    EXPECT_TRUE(joinable_.join(10s));
  }

  test::Watchdog watchdog_;
  JoinableQueue<int> joinable_;
  Queue<std::string> bounded_{1};
  SyncManager manager_;
  EventProxy waits_in_get_;
};

TEST_F(SharedQueueTest, AMessageWhoseTakerWasKilledBeforeIsCountedOnceByJoin) {
  kill_in_get(Child([&] {
    const auto queue = manager_.call<JoinableQueueProxy<int>>("joinable");
    waits_in_get_.set();
    static_cast<void>(queue.get());
  }));

  joinable_.put(1);
  std::this_thread::sleep_for(50ms);  // the server takes it and puts it back, as a rule
  EXPECT_EQ(joinable_.get(10s), 1);
  joinable_.task_done();

  EXPECT_TRUE(joinable_.join(10s));
  EXPECT_THROW(joinable_.task_done(), ValueError);
}

TEST_F(SharedQueueTest, JoinIsToldOfWhatAKilledTakerHadNotMarked) {
  const EventProxy has_taken = manager_.Event();
  for (int i = 0; i < 3; ++i) joinable_.put(i);
  Child taker([&] {
    const auto queue = manager_.call<JoinableQueueProxy<int>>("joinable");
    for (int i = 0; i < 3; ++i) static_cast<void>(queue.get());
    queue.task_done();
    has_taken.set();
    for (;;) ::pause();
  });
  has_taken.wait();
  EXPECT_FALSE(joinable_.join(10ms));
  const pid_t pid = taker.pid();

  taker.kill();

  expect_join_tells_of(pid, 2);
  EXPECT_THROW(joinable_.task_done(), ValueError);
}

TEST_F(SharedQueueTest, JoinIsToldOfAKilledTakerThatHadGivenItsProxyUpLongBefore) {
  const EventProxy has_taken = manager_.Event();
  joinable_.put(1);
  Child taker([&] {
    static_cast<void>(manager_.call<JoinableQueueProxy<int>>("joinable").get());
    has_taken.set();
    for (;;) ::pause();
  });
  has_taken.wait();
  // The two events are left.
  ASSERT_TRUE(test::eventually([&] { return manager_.number_of_objects() == 2; }));
  const pid_t pid = taker.pid();

  taker.kill();

  expect_join_tells_of(pid, 1);
}

TEST_F(SharedQueueTest, ATakerWhoseItemTheProgramMarkedTakesNothingWithIt) {
  const EventProxy has_taken = manager_.Event();
  joinable_.put(1);
  joinable_.put(2);
  const int threads = test::threads_of(server_pid());
  Child taker([&] {
    static_cast<void>(manager_.call<JoinableQueueProxy<int>>("joinable").get());
    has_taken.set();
    for (;;) ::pause();
  });
  has_taken.wait();
  joinable_.task_done();

  end_in_server(std::move(taker), threads);

  EXPECT_FALSE(joinable_.join(0s));
  EXPECT_EQ(joinable_.get(10s), 2);
  joinable_.task_done();
  EXPECT_TRUE(joinable_.join(0s));
}

TEST_F(SharedQueueTest, AnItemIsOffItsTakersAccountWhicheverProxyItIsMarkedBy) {
  const EventProxy is_marked = manager_.Event();
  const auto queue = manager_.call<JoinableQueueProxy<int>>("joinable");
  joinable_.put(1);
  joinable_.put(2);
  static_cast<void>(queue.get());
  const int threads = test::threads_of(server_pid());
  Child taker([&] {
    const auto first = manager_.call<JoinableQueueProxy<int>>("joinable");
    const auto second = manager_.call<JoinableQueueProxy<int>>("joinable");
    static_cast<void>(first.get());
    second.task_done();
    is_marked.set();
    for (;;) ::pause();
  });
  is_marked.wait();

  end_in_server(std::move(taker), threads);

  EXPECT_FALSE(joinable_.join(0s));
  queue.task_done();
  EXPECT_TRUE(joinable_.join(0s));
}

TEST_F(SharedQueueTest, AMessageForATakerThatHasEndedIsNotGivenToItOverTcpEither) {
  SyncManager manager({"127.0.0.1", 0}, "secret");
  manager.register_callable("joinable", [queue = joinable_] { return queue; });
  manager.start();
  const int port = manager.address().port();
  for (int round = 0; round < 3; ++round) {
    const int connections = test::tcp_connections_of(port);
    kill_in_get(Child([&] {
      const auto queue = manager.call<JoinableQueueProxy<int>>("joinable");
      waits_in_get_.set();
      static_cast<void>(queue.get());
    }));
    waits_in_get_.clear();
    // A death reaches the server's end a moment later.
    ASSERT_TRUE(test::eventually([&] { return test::tcp_connections_of(port) <= connections; }));

    joinable_.put(round);

    EXPECT_EQ(joinable_.get(10s), round);
    joinable_.task_done();
    EXPECT_TRUE(joinable_.join(10s));
  }
}

TEST_F(SharedQueueTest, AMessageThatTheServerHasNoMemoryForStaysInTheQueue) {
  const JoinableQueue<Heavy> heavy;
  SyncManager manager;
  manager.register_callable("heavy", [heavy] {
    Heavy::in_server = true;
    return heavy;
  });
  manager.start();
  const auto proxy = manager.call<JoinableQueueProxy<Heavy>>("heavy");
  heavy.put(Heavy(7));

  EXPECT_ANY_THROW(static_cast<void>(proxy.get(10s)));

  EXPECT_EQ(heavy.get(10s).number, 7);
  heavy.task_done();
  EXPECT_TRUE(heavy.join(0s));
}

TEST_F(SharedQueueTest, AMessageThatFindsNoRoomWhereItWasHoldsUpNothingOfItsKilledTakers) {
  LockProxy lock = manager_.Lock();
  kill_in_get(Child([&] {
    const auto queue = manager_.call<QueueProxy<std::string>>("bounded");
    lock.acquire();
    waits_in_get_.set();
    static_cast<void>(queue.get());
  }));
  // While the server has this one in its hands, there is room for another.
  bounded_.put(std::string(std::size_t{8} << 20, 'x'));
  int puts = 1;
  try {
    bounded_.put("short", 100ms);
    ++puts;
  } catch (const Full&) {
    // The server has put it back already, or has seen that nobody waits for it.
  }

  EXPECT_THROW(lock.acquire(10s), OwnerDiedError);
  for (int taken = 0; taken < puts; ++taken) EXPECT_NO_THROW(static_cast<void>(bounded_.get(10s)));
  EXPECT_THROW(static_cast<void>(bounded_.get_nowait()), Empty);
}

}  // namespace
}  // namespace multiprocessing
