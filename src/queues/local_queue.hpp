// SPDX-License-Identifier: BSL-1.0
// What a process knows of a queue that it has handles to; one for all of them.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <multiprocessing/detail/handle.hpp>
#include <string>

#include "os/patience.hpp"
#include "queues/layout.hpp"
#include "queues/pace.hpp"

namespace multiprocessing::queues {

class LocalQueue {
  // A look takes a line from the other side, so it should be one for many messages. But a short
  // queue is full, or empty, before many have gathered.
  static constexpr std::uint32_t rounds_aside(std::uint32_t maxsize) noexcept {
    constexpr std::uint32_t kMost = 32;
    if (maxsize == 0) return kMost;
    return maxsize < 8 ? 0 : std::clamp<std::uint32_t>(maxsize / 4, 8, kMost);
  }
  static constexpr std::uint32_t messages_aside(std::uint32_t maxsize) noexcept {
    constexpr std::uint32_t kMost = 32;
    return maxsize == 0 ? kMost : std::min(maxsize / 4, kMost);
  }

 public:
  /// REQUIRES: a handle to a QueueObject, as memory gave it.
  explicit LocalQueue(detail::Handle object_handle) noexcept
      : handle_(std::move(object_handle)), object(handle_.as<QueueObject>()) {}
  LocalQueue(const LocalQueue&) = delete;
  LocalQueue& operator=(const LocalQueue&) = delete;
  ~LocalQueue();

  /// The one of that queue, made if this process has none. Fork: the child gets a copy.
  [[nodiscard]] static std::shared_ptr<LocalQueue> of(detail::Handle handle);

  /// "Queue(maxsize=3)", for error messages.
  [[nodiscard]] std::string name() const;

 private:
  detail::Handle handle_;

 public:
  QueueObject& object;
  std::atomic<bool> closed{false};
  os::Patience putting{rounds_aside(object.maxsize), messages_aside(object.maxsize)};
  os::Patience getting{rounds_aside(object.maxsize), messages_aside(object.maxsize)};
  Pace pace;
};

}  // namespace multiprocessing::queues
