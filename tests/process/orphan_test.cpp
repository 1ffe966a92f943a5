// SPDX-License-Identifier: BSL-1.0
// Daemons end with a parent that is killed, however it was started and whatever they do.
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <fstream>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/synchronize.hpp>
#include <sstream>
#include <thread>

#include "long_form.hpp"
#include "process_state.hpp"
#include "process_test.hpp"

namespace mp = multiprocessing;
using namespace std::chrono_literals;
using mp::test::Child;
using mp::test::eventually;
using mp::test::SharedWord;
using mp::test::sleep_for_ever;

namespace {

// The daemons of these tests become children of the test when their parent dies, so that their
// ends can be seen.
class ProcessOrphan : public mp::test::ProcessTest {
 protected:
  ProcessOrphan() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }
  ~ProcessOrphan() override {
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }

  // Waits for the end of an orphan; how long it took and how it ended, if no fork server that lived
  // a moment longer took its status.
  static void expect_end_within_a_second(pid_t orphan, int signal) {
    int status = signal;
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(eventually(
        [&] { return ::waitpid(orphan, &status, WNOHANG) == orphan || ::kill(orphan, 0) != 0; },
        20s));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
    EXPECT_EQ(WIFSIGNALED(status) ? WTERMSIG(status) : 0, signal) << "status " << status;
  }

  static int rounds() { return mp::test::long_form() ? 200 : 5; }
};
using ProcessOrphanByFork = ProcessOrphan;

// Whether its parent reaps it or not.
bool has_ended(pid_t pid) {
  return ::waitpid(pid, nullptr, WNOHANG) == pid || ::kill(pid, 0) != 0 ||
         mp::test::state_of(pid) == 'Z';
}

void spin_for_ever() {
  volatile unsigned n = 0;
  for (;;) n = n + 1;
}

// A parent that starts a daemon and waits to be killed.
Child parent_of(void (*target)(), SharedWord& daemon_pid) {
  return Child([target, &daemon_pid]() -> int {
    mp::Process p({.daemon = true}, target);
    p.start();
    daemon_pid = p.pid();
    sleep_for_ever();
  });
}

TEST_F(ProcessOrphan, EndsWhenItsParentIsKilled) {
  for (int i = 0; i < rounds(); ++i) {
    SharedWord pid;
    Child parent = parent_of(sleep_for_ever, pid);
    ASSERT_TRUE(eventually([&] { return pid != 0; }));

    parent.kill();

    expect_end_within_a_second(pid, SIGTERM);
  }
}

TEST_F(ProcessOrphan, EndsWhileItSpins) {
  for (int i = 0; i < rounds(); ++i) {
    SharedWord pid;
    Child parent = parent_of(spin_for_ever, pid);
    ASSERT_TRUE(eventually([&] { return pid != 0; }));

    parent.kill();

    expect_end_within_a_second(pid, SIGTERM);
  }
}

// What daemons wait in; made before the fork, and nobody ever gives it.
mp::Queue<int>* empty_queue = nullptr;
mp::Lock* taken_lock = nullptr;
mp::Event* unset_event = nullptr;
mp::Connection* silent_end = nullptr;

TEST_F(ProcessOrphanByFork, EndsWhileItWaitsForSomethingShared) {
  mp::Queue<int> queue;
  mp::Lock lock;
  mp::Event event;
  auto [silent, other] = mp::Pipe();
  empty_queue = &queue;
  taken_lock = &lock;
  unset_event = &event;
  silent_end = &silent;
  ASSERT_TRUE(lock.acquire());
  for (auto* target : {+[] { (void)empty_queue->get(); }, +[] { taken_lock->acquire(); },
                       +[] { unset_event->wait(); }, +[] { (void)silent_end->recv<int>(); }}) {
    for (int i = 0; i < rounds(); ++i) {
      SharedWord pid;
      Child parent = parent_of(target, pid);
      ASSERT_TRUE(eventually([&] { return pid != 0; }));
      ASSERT_TRUE(eventually([&] { return mp::test::state_of(pid) == 'S'; }));

      parent.kill();

      expect_end_within_a_second(pid, SIGTERM);
    }
  }
}

// By ignoring SIGWINCH, which nobody sends, a target says that it is ready.
bool is_ready(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("SigIgn:")) continue;
    return (std::stoull(line.substr(7), nullptr, 16) >> (SIGWINCH - 1) & 1) != 0;
  }
  return false;
}

TEST_F(ProcessOrphan, EndsAlthoughItIgnoresOrBlocksSigterm) {
  for (auto* target : {+[] {
                         ::signal(SIGTERM, SIG_IGN);
                         ::signal(SIGWINCH, SIG_IGN);
                         sleep_for_ever();
                       },
                       +[] {
                         sigset_t all;
                         ::sigfillset(&all);
                         ::sigprocmask(SIG_BLOCK, &all, nullptr);
                         ::signal(SIGWINCH, SIG_IGN);
                         sleep_for_ever();
                       }}) {
    SharedWord pid;
    Child parent = parent_of(target, pid);
    ASSERT_TRUE(eventually([&] { return pid != 0; }));
    ASSERT_TRUE(eventually([&] { return is_ready(pid); }));

    parent.kill();

    expect_end_within_a_second(pid, SIGKILL);
  }
}

TEST_F(ProcessOrphan, LivesOnWhenTheThreadThatStartedItEndsAndEndsWithTheProcess) {
  for (int i = 0; i < rounds(); ++i) {
    SharedWord pid;
    SharedWord thread_ended;
    Child parent([&]() -> int {
      std::thread([&] {
        mp::Process p({.daemon = true}, sleep_for_ever);
        p.start();
        pid = p.pid();
      }).join();
      thread_ended = 1;
      sleep_for_ever();
    });
    thread_ended.await(1);
    std::this_thread::sleep_for(100ms);
    EXPECT_EQ(::kill(pid, 0), 0) << "it ended with a thread of its parent";

    parent.kill();

    expect_end_within_a_second(pid, SIGTERM);
  }
}

TEST_F(ProcessOrphan, LivesOnWhenTheMainThreadOfItsParentEnds) {
  SharedWord pid;
  Child parent([&]() -> int {
    std::thread([&] {
      while (pid == 0) std::this_thread::yield();
      std::this_thread::sleep_for(300ms);
      ::kill(::getpid(), SIGKILL);
    }).detach();
    mp::Process p({.daemon = true}, sleep_for_ever);
    p.start();
    pid = p.pid();
    ::syscall(SYS_exit, 0);
    return 0;
  });
  ASSERT_TRUE(eventually([&] { return pid != 0; }));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(::kill(pid, 0), 0);

  expect_end_within_a_second(pid, SIGTERM);
}

TEST_F(ProcessOrphanByFork, EndsWhenItsParentDiesBeforeTheWatchIsArmed) {
  // The killer has no time to lose: it fires at the first sight of the fork.
  for (int i = 0; i < 20 * rounds(); ++i) {
    SharedWord started;
    SharedWord pid;
    {
      Child parent([&]() -> int {
        mp::Process p({.daemon = true}, [&pid] {
          pid = ::getpid();
          sleep_for_ever();
        });
        started = 1;
        p.start();
        sleep_for_ever();
      });
      while (started == 0) {
      }
      const auto until =
          std::chrono::steady_clock::now() + std::chrono::microseconds(20 * (i % 100));
      while (std::chrono::steady_clock::now() < until) {
      }
      parent.kill();
    }
    // Whoever was born is gone soon; the test has no other children.
    ASSERT_TRUE(
        eventually([] { return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; }, 20s));
  }
}

// The parent is the first process of a pid namespace: what adopts an orphan there has pid 0 or 1.
TEST_F(ProcessOrphanByFork, LivesWithAParentThatIsPidOne) {
  SharedWord result;
  Child outer([&] {
    if (::unshare(CLONE_NEWPID) != 0) return errno == EPERM ? 42 : 1;
    Child init([&]() -> int {
      if (::getpid() != 1) return 1;
      SharedWord lives;
      mp::Process p({.daemon = true}, [&lives] {
        std::this_thread::sleep_for(100ms);
        lives = mp::parent_process()->is_alive() && mp::parent_process()->pid() == 1 ? 1 : 2;
        sleep_for_ever();
      });
      p.start();
      lives.await(1);
      p.terminate();
      p.join();
      return p.exitcode() == -SIGTERM ? 42 : 2;
    });
    return init.wait();
  });

  EXPECT_EQ(outer.wait(), 42);
}

TEST_F(ProcessOrphan, ThatClosesDescriptorsItDoesNotKnowLivesWithItsParent) {
  mp::Process p({.daemon = true}, [] {
    ::closefrom(3);
    // Its parent is looked for twice a second.
    std::this_thread::sleep_for(700ms);
    mp::exit(5);
  });
  p.start();

  EXPECT_TRUE(p.join(20s));
  EXPECT_EQ(p.exitcode(), 5);
}

TEST_F(ProcessOrphan, EndsWhenItsParentExecutesAnotherProgram) {
  SharedWord pid;
  Child parent([&] {
    mp::Process p({.daemon = true}, sleep_for_ever);
    p.start();
    pid = p.pid();
    ::execl("/bin/sleep", "sleep", "1000", nullptr);
  });
  ASSERT_TRUE(eventually([&] { return pid != 0; }));

  EXPECT_TRUE(eventually([&] { return has_ended(pid); }, 20s));

  EXPECT_FALSE(parent.ended());
}

TEST_F(ProcessOrphan, ThatIsNoDaemonLivesOn) {
  SharedWord pid;
  Child parent([&]() -> int {
    mp::Process p(sleep_for_ever);
    p.start();
    pid = p.pid();
    sleep_for_ever();
  });
  ASSERT_TRUE(eventually([&] { return pid != 0; }));

  parent.kill();
  std::this_thread::sleep_for(100ms);

  EXPECT_EQ(::kill(pid, 0), 0);
  ::kill(pid, SIGKILL);
}

}  // namespace
