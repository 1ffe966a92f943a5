// SPDX-License-Identifier: BSL-1.0
// Handles of shared objects as arguments: who holds them when.
#include <pthread.h>

#include <csignal>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/synchronize.hpp>
#include <thread>

#include "memory/arena.hpp"
#include "process_test.hpp"

namespace mp = multiprocessing;
using namespace std::chrono_literals;

namespace {

using ProcessHandles = mp::test::ProcessTest;
using ProcessHandlesByFork = ProcessHandles;

TEST_F(ProcessHandles, AnEndGivenToAChildClosesWithTheChild) {
  for (int i = 0; i < 20; ++i) {
    auto [reader, writer] = mp::Pipe(false);
    mp::Process p(
        [](mp::Connection end) {
          end.send(42);
          std::this_thread::sleep_for(20ms);
        },
        std::move(writer));
    p.start();

    EXPECT_EQ(reader.recv<int>(), 42);
    EXPECT_THROW((void)reader.recv<int>(), mp::EOFError);
    p.join();
  }
}

TEST_F(ProcessHandles, AnEndGivenToAChildThatIsKilledClosesToo) {
  auto [reader, writer] = mp::Pipe(false);
  mp::Process p([](const mp::Connection&) { mp::test::sleep_for_ever(); }, std::move(writer));
  p.start();
  std::thread killer([&p] {
    std::this_thread::sleep_for(50ms);
    p.kill();
  });

  EXPECT_THROW((void)reader.recv<int>(), mp::EOFError);
  killer.join();
  p.join();
}

TEST_F(ProcessHandles, AQueueOutlivesTheHandleOfTheOneWhoMadeIt) {
  mp::Queue<int> answers;
  {
    mp::Queue<int> questions;
    questions.put(20);
    mp::Process p([](mp::Queue<int> from, mp::Queue<int> to) { to.put(from.get() + 1); }, questions,
                  answers);
    p.start();
  }

  EXPECT_EQ(answers.get(20s), 21);
}

TEST_F(ProcessHandles, WhatIsGivenToChildrenIsFreedWithThem) {
  const auto blocks = [] {
    mp::memory::sweep();
    return mp::memory::usage().blocks;
  };
  {
    mp::Process first([](const mp::Lock&) {}, mp::Lock());
    first.start();
    first.join();
  }
  const std::size_t before = blocks();

  for (int i = 0; i < 20; ++i) {
    mp::Process ends([](const mp::Queue<int>& q, const mp::Lock&) { (void)q.empty(); },
                     mp::Queue<int>(), mp::Lock());
    mp::Process is_killed([](const mp::Lock&) { mp::test::sleep_for_ever(); }, mp::Lock());
    ends.start();
    is_killed.start();
    is_killed.kill();
    ends.join();
    is_killed.join();
  }

  EXPECT_TRUE(mp::test::eventually([&] { return blocks() == before; }));
}

bool die_before_adoption = false;

// Registered before the library's own handler, so the child runs it first.
[[maybe_unused]] const int kRegistered = ::pthread_atfork(nullptr, nullptr, [] {
  if (die_before_adoption) ::raise(SIGKILL);
});

TEST_F(ProcessHandlesByFork, WhatAChildHadThatDiedAtBirthIsFreedWhenItIsJoined) {
  const auto blocks = [] { return mp::memory::usage().blocks; };
  mp::Process([] {}).start();
  mp::memory::sweep();
  const std::size_t before = blocks();

  for (int i = 0; i < 20; ++i) {
    mp::Process p([](const mp::Lock&) {}, mp::Lock());
    die_before_adoption = true;
    p.start();
    die_before_adoption = false;
    EXPECT_EQ(blocks(), before + 1);
    p.join();

    EXPECT_EQ(p.exitcode(), -SIGKILL);
    EXPECT_EQ(blocks(), before);
  }
}

TEST_F(ProcessHandlesByFork, ALockOfAKilledChildNamesIt) {
  mp::Lock lock;
  mp::test::SharedWord held;
  mp::Process p(
      {.name = "holder"},
      [&](mp::Lock mine) {
        mine.acquire();
        held = 1;
        mp::test::sleep_for_ever();
      },
      lock);
  p.start();
  held.await(1);
  p.kill();

  try {
    lock.acquire();
    FAIL() << "the lock was given";
  } catch (const mp::OwnerDiedError& error) {
    EXPECT_EQ(error.name(), "holder");
    EXPECT_EQ(error.pid(), p.pid());
  }
}

}  // namespace
