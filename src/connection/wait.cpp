// SPDX-License-Identifier: BSL-1.0
#include <multiprocessing/connection.hpp>

#include "os/poll.hpp"

namespace multiprocessing::connection {
namespace detail {

std::vector<std::size_t> wait_for_any(std::span<const Waitable> objects, Timeout timeout) {
  const os::Deadline deadline = os::Deadline::after(timeout);
  std::vector<pollfd> entries;
  std::vector<bool> has_message(objects.size());
  bool any = false;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    entries.push_back({objects[i].fileno(), POLLIN, 0});
    has_message[i] = objects[i].ready_now();
    any = any || has_message[i];
  }
  os::poll_until(entries, any ? os::Deadline::after(std::chrono::seconds(0)) : deadline);
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (has_message[i] || entries[i].revents != 0) ready.push_back(i);
  }
  return ready;
}

}  // namespace detail

std::vector<Waitable> wait(const std::vector<Waitable>& objects, Timeout timeout) {
  std::vector<Waitable> ready;
  for (const std::size_t i : detail::wait_for_any(objects, timeout)) ready.push_back(objects[i]);
  return ready;
}

std::vector<Waitable> wait(std::initializer_list<Waitable> objects, Timeout timeout) {
  return wait(std::vector<Waitable>(objects), timeout);
}

}  // namespace multiprocessing::connection
