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

void TakenByClients::took(Referent& queue, const Caller& caller) {
  const std::lock_guard guard(mutex_);
  if (items_[caller.client.get()]++ == 0) caller.client->holds(queue);
}

// What another than its taker marked as done stays with the taker.
void TakenByClients::gave_back(Referent& queue, const Caller& caller) noexcept {
  const std::lock_guard guard(mutex_);
  const auto found = items_.find(caller.client.get());
  if (found == items_.end() || --found->second != 0) return;
  items_.erase(found);
  caller.client->holds_no_more(queue);
}

TakenByClients::Lost TakenByClients::take_lost(const managers::Client& client) noexcept {
  const std::lock_guard guard(mutex_);
  const auto found = items_.find(&client);
  if (found == items_.end()) return {};
  const std::uint32_t items = found->second;
  items_.erase(found);
  return {items, client.pid, client.name};
}

}  // namespace multiprocessing::detail
