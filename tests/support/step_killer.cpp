// SPDX-License-Identifier: BSL-1.0
#include "step_killer.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "long_form.hpp"
#include "os/spin.hpp"
#include "traced_process.hpp"

namespace multiprocessing::test {
namespace {

constexpr std::size_t kLongestPath = 1'000'000;

// Forked children of one process have the same addresses, so a path that one took can be found
// again by the next, much faster than by counting steps: each step is an exception in the CPU.
struct Point {
  std::uintptr_t instruction;
  int passes;  // the how many-th time the path comes to it
};

// A step on the CPU of who steps costs a quarter of one elsewhere.
class OneCpu {
 public:
  explicit OneCpu(pid_t other) {
    ::sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &here);
    ::sched_setaffinity(0, sizeof here, &here);
    ::sched_setaffinity(other, sizeof here, &here);
  }
  ~OneCpu() { ::sched_setaffinity(0, sizeof before_, &before_); }

 private:
  cpu_set_t before_{};
};

struct Path {
  std::vector<Point> points;
  bool blocked = false;
};

Path follow(const Operation& operation) {
  // The answer is kept, so that a process on one CPU behaves as the others do.
  static_cast<void>(os::may_run_on_several_cpus());
  TracedProcess process(operation.approach, operation.act);
  operation.meanwhile();
  const OneCpu one_cpu(process.pid());
  Path path;
  std::unordered_map<std::uintptr_t, int> passes;
  std::uintptr_t last = 0;
  for (;;) {
    const std::uintptr_t here = process.instruction();
    if (here != last) path.points.push_back({here, ++passes[here]});
    last = here;
    const auto state = process.step();
    if (state == TracedProcess::State::kEnded) return path;
    if (state == TracedProcess::State::kBlocked) {
      path.blocked = true;
      return path;
    }
    if (path.points.size() == kLongestPath) {
      ADD_FAILURE() << "the operation takes more than " << kLongestPath << " instructions";
      return path;
    }
  }
}

std::string describe(const Path& path, std::size_t i) {
  const auto address = path.points[i].instruction;
  std::string text = "killed before instruction " + std::to_string(i) + " of " +
                     std::to_string(path.points.size());
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(address), &info) != 0) {
    char place[32];
    std::snprintf(
        place, sizeof place, "+0x%lx",
        static_cast<unsigned long>(address - reinterpret_cast<std::uintptr_t>(info.dli_fbase)));
    text += std::string(", at ") + info.dli_fname + place;
    if (info.dli_sname != nullptr) text += std::string(" in ") + info.dli_sname;
  }
  return text;
}

}  // namespace

StepReport kill_at_every_step(const Operation& operation, Kills kills) {
  operation.arrange();
  const Path path = follow(operation);
  operation.check();
  StepReport report{static_cast<int>(path.points.size()), 1, path.blocked};
  if (testing::Test::HasFailure()) {
    ADD_FAILURE() << "already after the whole operation";
    return report;
  }
  const std::size_t spread = path.points.size() / static_cast<std::size_t>(kills.usual);
  const std::size_t stride =
      long_form() ? static_cast<std::size_t>(kills.every) : std::max<std::size_t>(1, spread);
  // Another part of the path each time.
  std::random_device random;
  for (std::size_t i = random() % stride; i < path.points.size(); i += stride) {
    operation.arrange();
    {
      TracedProcess victim(operation.approach, operation.act);
      victim.run_to(path.points[i].instruction, path.points[i].passes);
      operation.meanwhile();
    }
    ++report.kills;
    operation.check();
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << describe(path, i);
      return report;
    }
  }
  return report;
}

}  // namespace multiprocessing::test
