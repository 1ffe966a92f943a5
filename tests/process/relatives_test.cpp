// SPDX-License-Identifier: BSL-1.0
#include <poll.h>

#include <algorithm>
#include <vector>

#include "process_test.hpp"

namespace mp = multiprocessing;
using namespace std::chrono_literals;
using mp::test::SharedWord;
using mp::test::sleep_for_ever;

namespace {

using ProcessRelatives = mp::test::ProcessTest;
using ProcessRelativesByFork = ProcessRelatives;

template <class F> int code_of(F target) {
  mp::Process p(target);
  p.start();
  p.join();
  return p.exitcode().value();
}

TEST_F(ProcessRelatives, TheFirstProcessIsMainAndHasNoParent) {
  const mp::Process self = mp::current_process();

  EXPECT_EQ(self.name(), "MainProcess");
  EXPECT_EQ(self.pid(), ::getpid());
  EXPECT_TRUE(self.is_alive());
  EXPECT_FALSE(self.daemon());
  EXPECT_EQ(self.exitcode(), std::nullopt);
  EXPECT_EQ(mp::parent_process(), std::nullopt);
}

TEST_F(ProcessRelatives, AProcessDoesNotJoinSignalOrStartItself) {
  mp::Process self = mp::current_process();

  EXPECT_THROW(self.join(), mp::AssertionError);
  EXPECT_THROW(self.start(), mp::AssertionError);
  EXPECT_THROW(self.terminate(), mp::AttributeError);
  EXPECT_THROW((void)self.sentinel(), mp::ValueError);
  EXPECT_NO_THROW(self.close());
  EXPECT_EQ(self.pid(), ::getpid());
}

TEST_F(ProcessRelativesByFork, AChildSeesItselfAsTheObjectThatWasStarted) {
  mp::Process p({.name = "me", .daemon = true}, [&p] {
    const mp::Process self = mp::current_process();
    const bool same = self == p && self.name() == "me" && self.daemon() && self.is_alive() &&
                      self.pid() == ::getpid() && p.pid() == ::getpid() &&
                      self.exitcode() == std::nullopt;
    mp::exit(same ? 42 : 1);
  });
  p.start();
  p.join();

  EXPECT_EQ(p.exitcode(), 42);
}

TEST_F(ProcessRelativesByFork, AChildSeesItsParent) {
  const std::string name = mp::current_process().name();
  const pid_t pid = ::getpid();

  EXPECT_EQ(code_of([&] {
              const auto parent = mp::parent_process();
              mp::exit(parent && parent->name() == name && parent->pid() == pid &&
                               parent->ident() == pid && parent->is_alive() &&
                               !parent->join(10ms) && parent->exitcode() == std::nullopt
                           ? 42
                           : 1);
            }),
            42);
}

TEST_F(ProcessRelatives, AParentTakesNoSignalsAndHasNoAuthkey) {
  EXPECT_EQ(code_of([] {
              int errors = 0;
              try {
                mp::parent_process()->terminate();
              } catch (const mp::AttributeError&) {
                ++errors;
              }
              try {
                (void)mp::parent_process()->authkey();
              } catch (const mp::KeyError&) {
                ++errors;
              }
              mp::exit(errors);
            }),
            2);
}

TEST_F(ProcessRelativesByFork, AGrandchildSeesTheDeathOfItsParent) {
  for (const int signal : {SIGTERM, SIGKILL}) {
    SharedWord alive_before;
    SharedWord seen;
    mp::Process p([&] {
      mp::Process grandchild([&] {
        const auto parent = mp::parent_process();
        const int sentinel = parent->sentinel();
        pollfd entry{sentinel, POLLIN, 0};
        alive_before = parent->is_alive() && ::poll(&entry, 1, 0) == 0 ? 1 : 2;
        const bool told = parent->join(20s) && !parent->is_alive();
        const bool readable = ::poll(&entry, 1, 20'000) == 1;
        seen = told && readable ? 1 : 2;
      });
      grandchild.start();
      sleep_for_ever();
    });
    p.start();
    ASSERT_TRUE(mp::test::eventually([&] { return alive_before != 0; }));

    p.send_signal(signal);
    p.join();

    EXPECT_EQ(alive_before, 1);
    seen.await(1);
  }
}

TEST_F(ProcessRelativesByFork, TheSentinelOfADeadParentIsReadable) {
  SharedWord asked;
  mp::Process p([&] {
    mp::Process grandchild([&] {
      mp::parent_process()->join();
      pollfd entry{mp::parent_process()->sentinel(), POLLIN, 0};
      asked = ::poll(&entry, 1, 20'000) == 1 ? 1 : 2;
    });
    grandchild.start();
    ::_exit(0);
  });
  p.start();
  p.join();

  asked.await(1);
}

TEST_F(ProcessRelatives, ActiveChildrenAreThoseBetweenStartAndEnd) {
  const auto lists = [](const mp::Process& p) {
    const auto all = mp::active_children();
    return std::find(all.begin(), all.end(), p) != all.end();
  };
  mp::Process p(sleep_for_ever);
  EXPECT_FALSE(lists(p));

  p.start();
  EXPECT_TRUE(lists(p));
  p.kill();
  p.join();

  EXPECT_FALSE(lists(p));
}

TEST_F(ProcessRelativesByFork, ActiveChildrenCanBeJoinedWithoutTheirHandles) {
  { mp::Process({.name = "lost"}, sleep_for_ever).start(); }

  const auto all = mp::active_children();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].name(), "lost");
  all[0].kill();
  EXPECT_TRUE(all[0].join());
  EXPECT_EQ(all[0].exitcode(), -SIGKILL);
}

TEST_F(ProcessRelativesByFork, ActiveChildrenReapsThoseThatHaveEnded) {
  mp::Process p([] {});
  p.start();
  pollfd entry{p.sentinel(), POLLIN, 0};
  ::poll(&entry, 1, -1);

  EXPECT_TRUE(mp::active_children().empty());

  EXPECT_EQ(::kill(p.pid(), 0), -1) << "a zombie is left";
  EXPECT_EQ(p.exitcode(), 0);
}

TEST_F(ProcessRelatives, AChildHasNoneOfItsParentsChildren) {
  mp::Process sibling(sleep_for_ever);
  sibling.start();

  EXPECT_EQ(code_of([] { mp::exit(mp::active_children().empty() ? 42 : 1); }), 42);
  sibling.kill();
}

TEST_F(ProcessRelativesByFork, AChildInheritsNoSentinelsOfItsSiblings) {
  mp::Process sibling(sleep_for_ever);
  sibling.start();
  const int sentinel = sibling.sentinel();

  EXPECT_EQ(code_of([sentinel] { mp::exit(::fcntl(sentinel, F_GETFD) == -1 ? 42 : 1); }), 42);
  sibling.kill();
}

TEST_F(ProcessRelatives, ProcessesNest) {
  struct Tree {
    static void grow(int depth) {
      if (depth == 0) mp::exit(0);
      mp::Process left(grow, depth - 1);
      mp::Process right(grow, depth - 1);
      left.start();
      right.start();
      left.join();
      right.join();
      mp::exit(left.exitcode() == 0 && right.exitcode() == 0 ? 0 : 1);
    }
  };
  EXPECT_EQ(code_of([] { Tree::grow(3); }), 0);
}

TEST_F(ProcessRelatives, CpuCountIsAtLeastOne) { EXPECT_GE(mp::cpu_count(), 1); }

}  // namespace
