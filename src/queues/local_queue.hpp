// SPDX-License-Identifier: BSL-1.0
// What a process knows of a queue that it has handles to; one for all of them.
#pragma once
#include <atomic>
#include <memory>
#include <multiprocessing/detail/handle.hpp>
#include <string>

#include "os/patience.hpp"
#include "queues/layout.hpp"
#include "queues/pace.hpp"

namespace multiprocessing::queues {

class LocalQueue {
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
  os::Patience putting;
  os::Patience getting;
  Pace pace;
};

}  // namespace multiprocessing::queues
