// SPDX-License-Identifier: BSL-1.0
// A client process as the server knows it. It is gone when all of its connections are.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <multiprocessing/detail/managers/referent.hpp>
#include <mutex>
#include <string>
#include <unordered_map>

#include "managers/frames.hpp"
#include "managers/taken_items.hpp"

namespace multiprocessing::managers {

struct Client {
  std::uint64_t id = 0;
  pid_t pid = 0;
  std::string name;
  bool in_tree = false;
  TakenItems* taken_items = nullptr;  // the server's

  std::size_t sessions = 0;  // guarded by the server
  bool lives = true;         // the same: whether a session was connected when last looked

  std::mutex mutex;
  std::unordered_map<Ident, std::size_t> leases;  // guarded by mutex
  // What it holds something of (a lock, permits): to be told of its death. Guarded by mutex.
  struct Holding {
    std::weak_ptr<detail::Referent> referent;
    std::shared_ptr<detail::Referent> kept;  // the same, or null
  };
  std::unordered_map<detail::Referent*, Holding> holdings;

  /// `keep`: also if nobody else does.
  void holds(detail::Referent& referent, bool keep = false) {
    const std::lock_guard guard(mutex);
    holdings.insert_or_assign(&referent, Holding{referent.weak_from_this(),
                                                 keep ? referent.shared_from_this() : nullptr});
  }
  void holds_no_more(detail::Referent& referent) {
    const std::lock_guard guard(mutex);
    holdings.erase(&referent);
  }
};

}  // namespace multiprocessing::managers
