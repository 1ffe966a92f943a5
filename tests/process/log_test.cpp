// SPDX-License-Identifier: BSL-1.0
#include <multiprocessing/log.hpp>
#include <thread>
#include <vector>

#include "os/log.hpp"
#include "process_test.hpp"

namespace mp = multiprocessing;
using namespace std::chrono_literals;
using mp::test::capture;
using testing::HasSubstr;

namespace {

using ProcessLog = mp::test::ProcessTest;
using ProcessLogByFork = ProcessLog;

TEST_F(ProcessLog, IsSilentUntilAskedToWrite) {
  EXPECT_EQ(capture([] {
              mp::get_logger().critical("unheard");
              mp::os::log_warning("unheard");
              return 0;
            }).output,
            "");
}

TEST_F(ProcessLog, WritesLevelProcessAndText) {
  EXPECT_EQ(capture([] {
              mp::log_to_stderr(mp::LogLevel::info);
              mp::get_logger().info("{} of {}", 1, "two");
              mp::get_logger().error("bad");
              return 0;
            }).output,
            "[INFO/MainProcess] 1 of two\n[ERROR/MainProcess] bad\n");
}

TEST_F(ProcessLog, DropsWhatIsBelowItsLevelWhichIsWarningAtFirst) {
  EXPECT_EQ(capture([] {
              mp::Logger& logger = mp::log_to_stderr();
              logger.info("dropped");
              logger.warning("kept");
              logger.level(mp::LogLevel::error);
              logger.warning("dropped");
              return logger.level() == mp::LogLevel::error &&
                     !logger.is_enabled_for(mp::LogLevel::info);
            }).output,
            "[WARNING/MainProcess] kept\n");
}

TEST_F(ProcessLog, AskedTwiceWritesOnce) {
  EXPECT_EQ(capture([] {
              mp::log_to_stderr();
              mp::log_to_stderr(mp::LogLevel::debug);
              mp::get_logger().debug("once");
              return 0;
            }).output,
            "[DEBUG/MainProcess] once\n");
}

TEST_F(ProcessLog, TellsTheLifeOfAChildUnderItsName) {
  const auto output = capture([] {
                        mp::log_to_stderr(mp::LogLevel::info);
                        mp::Process p({.name = "worker"}, [] { mp::exit(3); });
                        p.start();
                        p.join();
                        return 0;
                      }).output;

  EXPECT_THAT(output, HasSubstr("[INFO/worker] child process calling run()\n"));
  EXPECT_THAT(output, HasSubstr("[INFO/worker] process exiting with exitcode 3\n"));
}

TEST_F(ProcessLog, WorksInAChildForkedWhileAnotherThreadLogs) {
  const auto [code, output] = capture([] {
    mp::log_to_stderr(mp::LogLevel::error);
    std::thread([] {
      for (;;) mp::get_logger().error("noise");
    }).detach();
    for (int i = 0; i < 100; ++i) {
      mp::Process p([] { mp::get_logger().error("from the child"); });
      p.start();
      if (!p.join(20s)) return 1;
    }
    return 0;
  });

  EXPECT_EQ(code, 0);
  EXPECT_THAT(output, HasSubstr("] from the child\n"));
}

// ---- the warning of several threads

TEST_F(ProcessLogByFork, WarnsOnceOfAForkFromSeveralThreadsAndNamesTheOtherMethods) {
  const auto output = capture([] {
                        mp::log_to_stderr();
                        std::thread([] { mp::test::sleep_for_ever(); }).detach();
                        for (int i = 0; i < 3; ++i) {
                          mp::Process p([] {});
                          p.start();
                          p.join();
                        }
                        return 0;
                      }).output;

  EXPECT_THAT(output, HasSubstr("[WARNING/MainProcess] "));
  EXPECT_THAT(output, HasSubstr("spawn"));
  EXPECT_THAT(output, HasSubstr("forkserver"));
  EXPECT_EQ(output.find("WARNING"), output.rfind("WARNING"));
}

// ThreadSanitizer has a thread of its own in each process.
#if !defined(__SANITIZE_THREAD__)
TEST_F(ProcessLog, DoesNotWarnOfThreadsThatHaveEndedOrAreTheLibrarysOwn) {
  EXPECT_EQ(capture([] {
              mp::log_to_stderr();
              for (int i = 0; i < 50; ++i) {
                std::thread([] {}).join();
                mp::Process p({.daemon = true}, [] {
                  mp::current_process().daemon(false);
                  mp::Process grandchild([] {});
                  grandchild.start();
                  grandchild.join();
                });
                p.start();
                p.join();
              }
              return 0;
            }).output,
            "");
}
#endif

TEST_F(ProcessLog, SixteenBusyThreadsHangNoChild) {
  EXPECT_EQ(capture([] {
              std::atomic<bool> stop{false};
              std::vector<std::thread> threads;
              for (int i = 0; i < 16; ++i) {
                threads.emplace_back([&] {
                  while (!stop) {
                    std::vector<std::string> work(10, std::string(100, 'x'));
                    (void)mp::current_process().name();
                    (void)mp::Process([] {}).name();
                  }
                });
              }
              for (int i = 0; i < 50; ++i) {
                mp::Process p([] { mp::exit(std::string(100, 'x').size() == 100 ? 0 : 1); });
                p.start();
                if (!p.join(20s) || p.exitcode() != 0) return 1;
              }
              stop = true;
              for (auto& thread : threads) thread.join();
              return 0;
            }).code,
            0);
}

}  // namespace
