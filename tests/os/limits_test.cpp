// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "os/limits.hpp"

namespace os = multiprocessing::os;
namespace fs = std::filesystem;

namespace {

// A made-up tree of control groups.
class CpuQuotaTest : public testing::Test {
 protected:
  CpuQuotaTest() : root_(fs::temp_directory_path() / ("groups." + std::to_string(::getpid()))) {
    fs::create_directories(root_);
  }
  ~CpuQuotaTest() override { fs::remove_all(root_); }

  void write(const fs::path& name, const std::string& text) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  [[nodiscard]] double quota() const {
    return os::cpu_quota({(root_ / "membership").string(), root_.string()});
  }

 private:
  fs::path root_;
};

TEST_F(CpuQuotaTest, NoGroupsAreNoLimit) { EXPECT_EQ(quota(), 0); }

TEST_F(CpuQuotaTest, TheWordMaxIsNoLimit) {
  write("membership", "0::/a\n");
  write("a/cpu.max", "max 100000\n");

  EXPECT_EQ(quota(), 0);
}

TEST_F(CpuQuotaTest, TheTightestLevelOfVersionTwoCounts) {
  write("membership", "0::/a/b\n");
  write("a/cpu.max", "150000 100000\n");
  write("a/b/cpu.max", "400000 100000\n");

  EXPECT_DOUBLE_EQ(quota(), 1.5);
}

TEST_F(CpuQuotaTest, AContainerSeesItsQuotaAtTheRoot) {
  write("membership", "0::/docker/of/the/host\n");
  write("cpu.max", "50000 100000\n");

  EXPECT_DOUBLE_EQ(quota(), 0.5);
}

TEST_F(CpuQuotaTest, VersionOneHasAFolderForItsController) {
  write("membership", "5:memory:/x\n4:cpu,cpuacct:/a\n");
  write("cpu/a/cpu.cfs_quota_us", "300000\n");
  write("cpu/a/cpu.cfs_period_us", "100000\n");
  write("cpu/cpu.cfs_quota_us", "-1\n");
  write("cpu/cpu.cfs_period_us", "100000\n");

  EXPECT_DOUBLE_EQ(quota(), 3);
}

TEST(CpusAvailableTest, FollowTheAffinityOfTheProgram) {
  const pid_t child = ::fork();
  if (child == 0) {
    cpu_set_t one;
    ::sched_getaffinity(0, sizeof one, &one);
    int first = 0;
    while (!CPU_ISSET(first, &one)) ++first;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ::sched_setaffinity(0, sizeof one, &one);
    ::_exit(os::cpus_available_to_this_program());
  }
  int status = 0;
  ::waitpid(child, &status, 0);

  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_GE(os::cpus_available_to_this_program(), 1);
}

}  // namespace
