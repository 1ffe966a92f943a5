// SPDX-License-Identifier: BSL-1.0
// A start that the system refuses.
#include <sys/resource.h>

#include <memory>

#include "process_test.hpp"

namespace mp = multiprocessing;
using namespace std::chrono_literals;

namespace {

using ProcessRefusedByFork = mp::test::ProcessTest;

TEST_F(ProcessRefusedByFork, ARefusedForkIsASystemErrorAndChangesNothing) {
  const int code = mp::test::in_child([] {
    // The superuser is exempt from the limit on processes.
    if (::getuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) return 3;
    auto argument = std::make_shared<int>(1);
    mp::Process p({.name = "refused"}, [argument] {});
    rlimit before{};
    ::getrlimit(RLIMIT_NPROC, &before);
    const rlimit now{0, before.rlim_max};
    ::setrlimit(RLIMIT_NPROC, &now);
    try {
      p.start();
      return 4;
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::resource_unavailable_try_again) return 5;
      if (std::string(error.what()).find("refused was not started") == std::string::npos) return 7;
    }
    if (p.pid() != 0 || p.is_alive() || argument.use_count() != 2) return 6;
    ::setrlimit(RLIMIT_NPROC, &before);
    p.start();
    p.join();
    return p.exitcode().value();
  });

  EXPECT_EQ(code, 0);
}

TEST_F(ProcessRefusedByFork, WithoutADescriptorLeftNothingOfTheTargetRuns) {
  mp::test::SharedWord ran;

  const int code = mp::test::in_child([&] {
    // What this process has from the test, it lets go of now.
    mp::Process first([] {});
    first.start();
    first.join();
    mp::Process p({.name = "refused"}, [&] { ran = 1; });
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const int highest = ::dup(0);
    ::close(highest);
    const rlimit now{static_cast<rlim_t>(highest), before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &now);
    try {
      p.start();
      return 4;
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::too_many_files_open) return 5;
      if (std::string(error.what()).find("refused was not started") == std::string::npos) return 8;
    }
    if (ran != 0 || p.is_alive()) return 6;
    ::setrlimit(RLIMIT_NOFILE, &before);
    p.start();
    p.join();
    return ran == 1 ? p.exitcode().value() : 7;
  });

  EXPECT_EQ(code, 0);
}

}  // namespace
