// SPDX-License-Identifier: BSL-1.0
// What the handles of one process share, and the access to it from below the public class.
#pragma once
#include <memory>
#include <multiprocessing/process.hpp>
#include <optional>
#include <string>
#include <vector>

#include "memory/identity.hpp"
#include "os/fd.hpp"
#include "process/child.hpp"

namespace multiprocessing::process {

enum class Role {
  kChild,  ///< made by this process, or in one of its children: the child itself
  kMain,   ///< the first process of the program
  kParent  ///< the process that started this one
};

enum class State { kInitial, kStarting, kStarted, kClosed };

class Launcher;

/// The parent of this process, as it was at the start.
struct ParentLink {
  pid_t pid = 0;
  memory::Serial serial = memory::kNobody;
};

/// Everything but `role`, `maker` and `identity` is guarded by the process lock (tree.hpp).
struct Core {
  Role role = Role::kChild;
  unsigned maker = 0;         // generation() of the process that made it
  std::vector<int> identity;  // the numbers in Process-N:M
  std::string name;
  bool name_is_given = false;
  bool daemon = false;
  std::vector<std::byte> authkey;
  pid_t pid = 0;  // 0: not started
  bool has_target = false;
  bool target_called = false;
  std::shared_ptr<detail::Target> target;  // null: none, or handed to the child
  State state = State::kInitial;
  Launcher* launcher = nullptr;  // null: that of the default start method
  std::shared_ptr<Child> child;  // set while kStarted, in its parent
  std::optional<int> exitcode;
  ParentLink parent;  // of a Role::kParent: how its end is known
  os::Fd sentinel;    // of a Role::kParent, opened when it is asked for
};

/// What the floor may do with the public class.
struct Access {
  static Process make(std::shared_ptr<Core> core) { return Process(std::move(core)); }
  static const std::shared_ptr<Core>& core(const Process& process) { return process.core_; }
  static void set_core(Process& process, std::shared_ptr<Core> core) {
    process.core_ = std::move(core);
  }
  static void encode_subclass(const Process& process, detail::Encoder& encoder) {
    process.encode_subclass(encoder);
  }
};

}  // namespace multiprocessing::process
