// SPDX-License-Identifier: BSL-1.0
// Whether so many sessions of a server are at work that looking before sleeping does harm.
//
// A client that looks for its reply and the thread that looks for its next request take a CPU each.
// More of them than there are CPUs take these from clients that have something to do.
#pragma once
#include <atomic>
#include <cstdint>

namespace multiprocessing::managers {

/// Of one server. Threads: all; their races make it a little late at most.
class Crowd {
 public:
  /// `most`: how many sessions can have two CPUs each.
  explicit Crowd(std::uint32_t most) noexcept : most_(most) {}
  Crowd() noexcept;

  /// A session, whose own `seen` is 0 at first, is at work. True: it had better give way than look
  /// for its next request, and its client than look for the reply.
  bool note(std::int64_t& seen, std::int64_t now_ns) noexcept;

 private:
  const std::uint32_t most_;
  std::atomic<std::int64_t> window_{0};    // the current one
  std::atomic<std::uint32_t> at_work_{0};  // so many sessions, in this window
  std::atomic<bool> crowded_{false};       // in the last one
};

}  // namespace multiprocessing::managers
