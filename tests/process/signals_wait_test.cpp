// SPDX-License-Identifier: BSL-1.0
// Signals that are waited for.
#include <multiprocessing/signals.hpp>

#include <optional>
#include <vector>

#include "process_test.hpp"
#include "signal_storm.hpp"

namespace mp = multiprocessing;
using namespace std::chrono_literals;
using mp::test::in_child;

namespace {

// Every test runs in a fork: what is done to a signal is done to a process.
class SignalsWait : public mp::test::ProcessTest {};

TEST_F(SignalsWait, WaitSaysWhichSignalCameAndNoneWhenTheTimeIsOver) {
  EXPECT_EQ(in_child([] {
              if (mp::signals::wait({SIGUSR1, SIGTERM}, 1ms)) return 1;
              ::raise(SIGTERM);
              if (mp::signals::wait({SIGUSR1, SIGTERM}, 20s) != SIGTERM) return 2;
              return mp::signals::wait({SIGUSR1, SIGTERM}, 0s) ? 3 : 0;
            }),
            0);
}

TEST_F(SignalsWait, WhatWasKeptBeforeTheWaitIsNotLost) {
  EXPECT_EQ(
      in_child([] {
        mp::signals::keep({SIGUSR1, SIGUSR2});
        ::raise(SIGUSR2);
        ::raise(SIGUSR2);
        ::raise(SIGUSR1);
        const std::vector<std::optional<int>> got{
            mp::signals::wait({SIGUSR1, SIGUSR2}), mp::signals::wait({SIGUSR1, SIGUSR2}),
            mp::signals::wait({SIGUSR1, SIGUSR2}), mp::signals::wait({SIGUSR1, SIGUSR2}, 0s)};
        return got == std::vector<std::optional<int>>{SIGUSR1, SIGUSR2, SIGUSR2, std::nullopt};
      }),
      0);
}

TEST_F(SignalsWait, WaitSleepsUntilAnotherProcessSends) {
  EXPECT_EQ(in_child([] {
              mp::signals::keep({SIGUSR1});
              mp::test::Child other([to = ::getpid()] { mp::signals::raise_in(to, SIGUSR1); });
              return mp::signals::wait({SIGUSR1}) == SIGUSR1 && other.wait() == 0;
            }),
            0);
}

TEST_F(SignalsWait, WaitIsNotDisturbedByOtherSignals) {
  EXPECT_EQ(in_child([] {
              const mp::test::SignalStorm storm;
              const auto begin = std::chrono::steady_clock::now();
              const auto nothing = mp::signals::wait({SIGUSR1}, 50ms);
              const auto took = std::chrono::steady_clock::now() - begin;
              return !nothing && took >= 50ms && mp::test::SignalStorm::count() > 0;
            }),
            0);
}

TEST_F(SignalsWait, WaitLetsThroughWhatTheThreadBlocks) {
  EXPECT_EQ(in_child([] {
              sigset_t mask;
              ::sigfillset(&mask);
              ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
              ::kill(::getpid(), SIGUSR1);
              const bool got = mp::signals::wait({SIGUSR1}, 20s) == SIGUSR1;
              ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
              return got && ::sigismember(&mask, SIGUSR1) == 1;
            }),
            0);
}

TEST_F(SignalsWait, AWaitInAFunctionIsAnErrorWhereItCouldNotEnd) {
  EXPECT_EQ(in_child([] {
              mp::signals::keep({SIGHUP});
              mp::signals::handle(SIGUSR2, [] {});
              std::string error;
              std::optional<int> kept;
              mp::signals::handle(SIGUSR1, [&] {
                try {
                  mp::signals::wait({SIGUSR2});
                } catch (const mp::RuntimeError& refused) {
                  error = refused.what();
                }
                ::raise(SIGHUP);
                kept = mp::signals::wait({SIGHUP, SIGUSR2});
              });
              ::raise(SIGUSR1);
              mp::signals::wait({SIGUSR1});
              return kept == SIGHUP && error.find("SIGUSR2") != std::string::npos;
            }),
            0);
}

}  // namespace
