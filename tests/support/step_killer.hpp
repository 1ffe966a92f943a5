// SPDX-License-Identifier: BSL-1.0
// Kills a process at every instruction of an operation, and looks each time whether the others can
// go on.
#pragma once
#include <functional>

namespace multiprocessing::test {

/// An operation and what surrounds it. `approach` and `act` run in a fresh fork of the test for
/// every kill; they start no threads. `check` uses the EXPECT macros.
struct Operation {
  std::function<void()> arrange = [] {};    ///< in the test, before the victim is forked
  std::function<void()> approach = [] {};   ///< in the victim, which is not killed yet
  std::function<void()> act = [] {};        ///< in the victim, which is killed somewhere in here
  std::function<void()> meanwhile = [] {};  ///< in the test, while the victim stands where it dies
  std::function<void()> check = [] {};      ///< in the test, after the victim is dead
};

struct StepReport {
  int instructions = 0;  ///< of `act`, up to its end or to where it blocks
  int kills = 0;
  bool blocked = false;  ///< `act` did not end but slept for good; it was killed there too
};

/// How many victims there are.
struct Kills {
  int usual = 200;  ///< in the short form, spread over the path
  int every = 1;    ///< in the long form at each n-th instruction
};

/// Follows `act` once, step by step, then kills one victim at each instruction on that path, or at
/// as many as `kills` says, others each time. Stops at the first failed check and says where. A
/// string instruction with a repeat prefix counts as one.
StepReport kill_at_every_step(const Operation& operation, Kills kills = {});

}  // namespace multiprocessing::test
