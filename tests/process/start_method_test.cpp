// SPDX-License-Identifier: BSL-1.0
// What holds for a process whatever starts it: one body, run under every start method.
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <multiprocessing/context.hpp>
#include <multiprocessing/partial.hpp>
#include <thread>

#include "environment.hpp"
#include "process_test.hpp"

namespace multiprocessing::test {
namespace {

using std::chrono::seconds;

class StartMethodTest : public ProcessTest, public testing::WithParamInterface<std::string> {
 protected:
  const Context ctx = get_context(GetParam());

  template <class... Args> int run(Args&&... args) {
    Process process = ctx.Process(std::forward<Args>(args)...);
    process.start();
    EXPECT_TRUE(process.join(seconds(30)));
    return process.exitcode().value_or(-1000);
  }
};

INSTANTIATE_TEST_SUITE_P(All, StartMethodTest, testing::Values("fork", "spawn", "forkserver"),
                         [](const auto& each) { return each.param; });

using Texts = Queue<std::string>;

std::string made_by_static = std::string("made ") + "before main";

void put_text(const Texts& q, const std::string& text, int number, const std::vector<double>& v) {
  q.put(text + std::to_string(number) + " " + std::to_string(v.size()) + " " + made_by_static);
}

TEST_P(StartMethodTest, AFunctionRunsWithItsArguments) {
  const Texts q;
  EXPECT_EQ(run(put_text, q, "literal", 3, std::vector<double>(5)), 0);
  EXPECT_EQ(q.get(), "literal3 5 made before main");
}

struct Greeter {
  static void greet(const Texts& q) { q.put("static member"); }
};
struct Adder {
  template <class Archive> void serialize(Archive& archive, unsigned) { archive& first& second; }
  void operator()(const Texts& q) const { q.put(std::to_string(first + second)); }
  int first = 0;
  int second = 0;
};
struct Stateless {
  void operator()(const Texts& q) const { q.put("stateless object"); }
};

TEST_P(StartMethodTest, EveryKindOfTargetThatNeedsNoRegistrationRuns) {
  const Texts q;
  EXPECT_EQ(run(&Greeter::greet, q), 0);
  EXPECT_EQ(q.get(), "static member");
  EXPECT_EQ(run(Adder{40, 2}, q), 0);
  EXPECT_EQ(q.get(), "42");
  EXPECT_EQ(run(Stateless{}, q), 0);
  EXPECT_EQ(q.get(), "stateless object");
  EXPECT_EQ(run([](const Texts& to) { to.put("first lambda"); }, q), 0);
  EXPECT_EQ(q.get(), "first lambda");
  EXPECT_EQ(run([](const Texts& to) { to.put("second lambda"); }, q), 0);
  EXPECT_EQ(q.get(), "second lambda");
  EXPECT_EQ(run(partial(put_text, q, "bound ", 1), std::vector<double>()), 0);
  EXPECT_EQ(q.get(), "bound 1 0 made before main");
}

class Sender : public ProcessOf<Sender> {
 public:
  Sender() = default;
  Sender(Texts q, std::string text) : q_(std::move(q)), text_(std::move(text)) {}
  void run() override { q_.put(text_ + " from " + name()); }

 private:
  friend class boost::serialization::access;
  template <class Archive> void serialize(Archive& archive, unsigned) { archive& q_& text_; }
  Texts q_;
  std::string text_;
};

TEST_P(StartMethodTest, ASubclassRunsWithItsFields) {
  const Texts q;
  Sender sender = ctx.Process(Sender(q, "field"));
  sender.name("the sender");
  sender.start();
  EXPECT_EQ(q.get(), "field from the sender");
  EXPECT_TRUE(sender.join(seconds(30)));
  EXPECT_EQ(sender.exitcode(), 0);
}

void use_everything(Lock lock, Value<int> value, Array<double> array, Event event,
                    const Queue<Connection>& connections, Connection connection) {
  lock.acquire();
  lock.release();
  value.value() += 1;
  array[1] = 2.5;
  connections.get().send(7);
  connection.send(std::string("through an argument"));
  event.set();
}

TEST_P(StartMethodTest, SharedObjectsAndConnectionsAreTheSameOnBothSides) {
  Lock lock;
  Value<int> value(41);
  Array<double> array(2);
  Event event;
  const Queue<Connection> connections;
  auto [near, far] = Pipe();
  auto [mine, theirs] = Pipe();
  connections.put(theirs);
  Process process =
      ctx.Process(use_everything, lock, value, array, event, connections, std::move(far));
  process.start();
  far.close();
  EXPECT_TRUE(event.wait(seconds(30)));
  EXPECT_EQ(value.value(), 42);
  EXPECT_EQ(array[1], 2.5);
  EXPECT_EQ(near.recv<std::string>(), "through an argument");
  EXPECT_EQ(mine.recv<int>(), 7);
  EXPECT_TRUE(process.join(seconds(30)));
  EXPECT_EQ(process.exitcode(), 0);
}

TEST_P(StartMethodTest, ObjectsThatTheParentDropsWhileTheChildStartsAreThere) {
  const Queue<int> results;
  std::vector<Process> processes;
  for (int i = 0; i < 10; ++i) {
    processes.push_back(
        ctx.Process([](const Queue<int>& to, const Value<int>& value) { to.put(value.value()); },
                    results, Value<int>(i)));
    processes.back().start();
  }
  int sum = 0;
  for (int i = 0; i < 10; ++i) sum += results.get(seconds(30));
  EXPECT_EQ(sum, 45);
  for (const Process& process : processes) EXPECT_TRUE(process.join(seconds(30)));
}

TEST_P(StartMethodTest, ALargeArgumentComesWhole) {
  const Queue<std::size_t> q;
  EXPECT_EQ(run([](const Queue<std::size_t>& to, const std::string& text) { to.put(text.size()); },
                q, std::string(5'000'000, 'x')),
            0);
  EXPECT_EQ(q.get(), 5'000'000U);
}

TEST_P(StartMethodTest, MoreConnectionsThanOneMessageOfASocketTakesComeToo) {
  std::vector<Connection> near;
  std::vector<Connection> far;
  for (int i = 0; i < 300; ++i) {
    auto [mine, theirs] = Pipe();
    near.push_back(mine);
    far.push_back(theirs);
  }
  Process process = ctx.Process(
      [](std::vector<Connection> ends) {
        for (int i = 0; i < 300; ++i) ends[static_cast<std::size_t>(i)].send(i);
      },
      std::move(far));
  process.start();
  for (int i = 0; i < 300; ++i) EXPECT_EQ(near[static_cast<std::size_t>(i)].recv<int>(), i);
  EXPECT_TRUE(process.join(seconds(30)));
  EXPECT_EQ(process.exitcode(), 0);
}

TEST_P(StartMethodTest, ExitCodesTellHowItEnded) {
  EXPECT_EQ(run([] {}), 0);
  EXPECT_EQ(run([] { exit(7); }), 7);
  EXPECT_EQ(run([] { ::raise(SIGTERM); }), -SIGTERM);
  EXPECT_EQ(run([] { ::_exit(3); }), 3);
}

FRESH_SCENARIO(children_ignored) {
  ::signal(SIGCHLD, SIG_IGN);
  Process process = get_context(test::variable("METHOD")).Process([] {
    exit(::signal(SIGCHLD, SIG_DFL) == SIG_IGN ? 9 : 1);
  });
  process.start();
  return process.join(seconds(30)) ? *process.exitcode() : 2;
}

TEST_P(StartMethodTest, AProgramThatIgnoresItsChildrenLearnsTheExitCode) {
  EXPECT_EQ(::test::run_fresh("children_ignored", {"METHOD=" + GetParam()}), 9);
}

FRESH_SCENARIO(short_files) {
  const Queue<int> makes_the_arena;
  const rlimit limit{100'000, 100'000};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  Process process = get_context(test::variable("METHOD")).Process([] { exit(4); });
  process.start();
  return process.join(seconds(30)) ? *process.exitcode() : 2;
}

TEST_P(StartMethodTest, AProgramThatMayMakeNoLargeFilesStartsProcesses) {
  EXPECT_EQ(::test::run_fresh("short_files", {"METHOD=" + GetParam()}), 4);
}

TEST_P(StartMethodTest, AnExceptionIsReportedAndGivesOne) {
  const Captured captured =
      capture([&] { return run([] { throw std::runtime_error("went wrong"); }); });
  EXPECT_EQ(captured.code, 1);
  EXPECT_THAT(captured.output, testing::HasSubstr("std::runtime_error: went wrong"));
  EXPECT_THAT(captured.output, testing::ContainsRegex("^Process Process-[0-9]+ \\([0-9]+\\): "));
}

TEST_P(StartMethodTest, ItCanBeWatchedSignalledAndKilled) {
  Process process = ctx.Process(sleep_for_ever);
  process.start();
  EXPECT_GT(process.pid(), 0);
  EXPECT_TRUE(process.is_alive());
  EXPECT_FALSE(process.exitcode().has_value());
  EXPECT_FALSE(process.join(std::chrono::milliseconds(10)));
  process.kill();
  EXPECT_THAT(connection::wait({process.sentinel()}, seconds(30)), testing::SizeIs(1));
  EXPECT_TRUE(process.join(seconds(30)));
  EXPECT_FALSE(process.is_alive());
  EXPECT_EQ(process.exitcode(), -SIGKILL);
}

TEST_P(StartMethodTest, AChildThatIsKilledWhileItStartsEndsAsKilled) {
  for (int i = 0; i < 10; ++i) {
    Process process =
        ctx.Process([](const std::string&) { sleep_for_ever(); }, std::string(1'000, 'x'));
    process.start();
    process.kill();
    EXPECT_TRUE(process.join(seconds(30)));
    EXPECT_EQ(process.exitcode(), -SIGKILL);
  }
}

TEST_P(StartMethodTest, ItKnowsItsPlaceAmongItsRelatives) {
  const Texts q;
  current_process().authkey("secret");
  Process process = ctx.Process(
      [](const Texts& to) {
        const Process self = current_process();
        to.put(self.name());
        to.put(std::to_string(parent_process()->pid()));
        to.put(parent_process()->name());
        to.put(std::to_string(self.authkey().size()));
        to.put(std::to_string(parent_process()->is_alive() ? 1 : 0));
        to.put(Process([] {}).name());
      },
      q);
  const std::string name = process.name();
  process.start();
  EXPECT_EQ(q.get(), name);
  EXPECT_EQ(q.get(), std::to_string(::getpid()));
  EXPECT_EQ(q.get(), "MainProcess");
  EXPECT_EQ(q.get(), "6");
  EXPECT_EQ(q.get(), "1");
  EXPECT_EQ(q.get(), name + ":1");
  EXPECT_TRUE(process.join(seconds(30)));
}

void start_another(const Texts& q) {
  Process grandchild([](const Texts& to) { to.put(current_process().name()); }, q);
  grandchild.start();
  grandchild.join();
  q.put(get_start_method());
}

TEST_P(StartMethodTest, ItsChildrenStartByTheMethodOfTheProgram) {
  const Texts q;
  Process process = ctx.Process(start_another, q);
  process.start();
  EXPECT_EQ(q.get(), process.name() + ":1");
  EXPECT_EQ(q.get(), get_start_method());
  EXPECT_TRUE(process.join(seconds(30)));
}

TEST_P(StartMethodTest, ADaemonHasNoChildren) {
  const Texts q;
  Process process = ctx.Process(
      ProcessOptions{.name = "daemon", .daemon = true},
      [](const Texts& to) {
        Process child([] {});
        try {
          child.start();
          to.put("started");
        } catch (const AssertionError& error) {
          to.put(error.what());
        }
      },
      q);
  process.start();
  EXPECT_THAT(q.get(), testing::HasSubstr("daemon"));
  EXPECT_TRUE(process.join(seconds(30)));
}

TEST_P(StartMethodTest, DirectoryEnvironmentAndOutputAreTheParentsAtTheStart) {
  // A server, where there is one, started before these were what they are.
  EXPECT_EQ(run([] {}), 0);
  const Captured captured = capture([&] {
    ::setenv("START_METHOD_TEST", "set late", 1);
    std::filesystem::current_path("/usr");
    return run([] {
      std::printf("%s %s\n", test::variable("START_METHOD_TEST").c_str(),
                  std::filesystem::current_path().c_str());
    });
  });
  EXPECT_EQ(captured.code, 0);
  EXPECT_EQ(captured.output, "set late /usr\n");
}

// 0 if the umask is that, SIGUSR1 is blocked and SIGUSR2 and SIGCHLD are ignored, or none of them.
int check_inherited(mode_t expected, bool signals) {
  if (::umask(0) != expected) return 1;
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  if ((::sigismember(&mask, SIGUSR1) == 1) != signals) return 2;
  if (::sigismember(&mask, SIGTERM) == 1) return 3;
  for (const int signal : {SIGUSR2, SIGCHLD}) {
    if ((::signal(signal, SIG_DFL) == SIG_IGN) != signals) return 4;
  }
  return 0;
}
void exit_inherited(mode_t expected, bool signals) { exit(check_inherited(expected, signals)); }

TEST_P(StartMethodTest, UmaskSignalMaskAndIgnoredSignalsAreTheStartersAtTheStart) {
  EXPECT_EQ(in_child([&] {
              // A server, where there is one, started before these were what they are.
              if (const int code = run([] {})) return code;
              ::umask(0027);
              ::signal(SIGUSR2, SIG_IGN);
              ::signal(SIGCHLD, SIG_IGN);
              sigset_t mask;
              ::sigemptyset(&mask);
              ::sigaddset(&mask, SIGUSR1);
              ::pthread_sigmask(SIG_BLOCK, &mask, nullptr);
              if (const int code = run(exit_inherited, 0027, true)) return 10 + code;
              ::pthread_sigmask(SIG_UNBLOCK, &mask, nullptr);
              ::signal(SIGUSR2, SIG_DFL);
              ::signal(SIGCHLD, SIG_DFL);
              ::umask(0077);
              return run(exit_inherited, 0077, false);
            }),
            0);
}

TEST_P(StartMethodTest, ListingsShowTheProcesssName) {
  const Texts q;
  Process process = ctx.Process(
      ProcessOptions{.name = "the worker"},
      [](const Texts& to) {
        std::ifstream file("/proc/self/comm");
        std::string line;
        std::getline(file, line);
        to.put(line);
      },
      q);
  process.start();
  EXPECT_EQ(q.get(), "the worker");
  EXPECT_TRUE(process.join(seconds(30)));
}

TEST_P(StartMethodTest, ManyThreadsStartProcessesAtOnce) {
  const int rounds = long_form() ? 125 : 8;
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < rounds; ++round) {
        const std::string allocated(1'000, 'x');
        get_logger().info("started {}", allocated.size());
        Process process = ctx.Process(
            [](const std::string& text) { exit(text.size() == 5 ? 1 : 0); }, std::string("hello"));
        process.start();
        if (process.join(seconds(30)) && process.exitcode() == 1) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 16 * rounds);
}

TEST_P(StartMethodTest, AProcessWithoutATargetEndsInOrder) {
  Process process = ctx.Process({.name = "idle"});
  process.start();
  EXPECT_TRUE(process.join(seconds(30)));
  EXPECT_EQ(process.exitcode(), 0);
  EXPECT_EQ(process.name(), "idle");
  EXPECT_EQ(run(), 0);
}

TEST_P(StartMethodTest, AStartedOneCannotBeStartedAgain) {
  Process process = ctx.Process([] {});
  process.start();
  EXPECT_THROW(process.start(), AssertionError);
  EXPECT_TRUE(process.join(seconds(30)));
  EXPECT_THROW(process.start(), AssertionError);
}

TEST_P(StartMethodTest, ItLogsAsItsParentDoes) {
  const Captured captured = capture([&] {
    log_to_stderr(LogLevel::info);
    return run([] { get_logger().info("said by the child"); });
  });
  EXPECT_EQ(captured.code, 0);
  EXPECT_THAT(captured.output, testing::ContainsRegex("\\[INFO/Process-[0-9:]+\\] said by"));
}

}  // namespace
}  // namespace multiprocessing::test
