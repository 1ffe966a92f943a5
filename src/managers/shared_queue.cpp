// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <exception>
#include <memory>
#include <multiprocessing/detail/managers/shared_queue.hpp>
#include <utility>

#include "managers/client.hpp"
#include "os/log.hpp"
#include "os/thread.hpp"

namespace multiprocessing::detail {

void run_later(std::function<void()> work) {
  struct Start {
    os::ThreadStart thread;
    std::function<void()> work;
  };
  auto start = std::make_unique<Start>();
  start->work = std::move(work);
  start->thread = {
      "mp-manager-undo",
      [](void* argument) {
        const std::unique_ptr<Start> own(static_cast<Start*>(argument));
        try {
          own->work();
        } catch (const std::exception& error) {
          os::log_warning(fmt::format("a message could not be put back: {}", error.what()));
        }
      },
      start.get()};
  os::start_library_thread(start->thread);
  static_cast<void>(start.release());
}

void note_taken(const Handle& joinable, const Caller& caller) {
  caller.client->taken_items->took(joinable, *caller.client);
}

void note_given_back(const Handle& joinable, const Caller& caller) noexcept {
  caller.client->taken_items->gave_back(joinable, *caller.client);
}

}  // namespace multiprocessing::detail
