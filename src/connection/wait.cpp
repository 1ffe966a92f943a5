// SPDX-License-Identifier: BSL-1.0
#include <multiprocessing/connection.hpp>

#include <fmt/format.h>

#include <unordered_set>

#include "connection/core.hpp"
#include "os/poll.hpp"

namespace multiprocessing::connection {
namespace {

using multiprocessing::detail::ConnectionCore;

// A writing end is ready only when nobody reads any more, which poll(2) tells unasked.
short events_of(const Waitable& object) {
  const Connection* connection = object.connection();
  return connection == nullptr || connection->readable() ? short{POLLIN} : short{0};
}

bool has_message(const Waitable& object) {
  const Connection* connection = object.connection();
  return connection != nullptr && ConnectionCore::of(*connection).has_pending();
}

}  // namespace

int Waitable::fileno() const {
  if (connection_) return connection_->fileno();
  if (other_ != nullptr) return fileno_of_(other_.get());
  if (fd_ < 0) {
    throw ValueError(
        fmt::format("connection::wait: {} is no descriptor that can be waited for", fd_));
  }
  return fd_;
}

std::vector<std::size_t> wait_for_any(std::span<const Waitable> objects, Timeout timeout) {
  if (objects.empty() && timeout.is_forever()) return {};
  os::Deadline deadline = os::Deadline::after(timeout);
  std::vector<pollfd> entries;
  entries.reserve(objects.size());
  std::unordered_set<int> seen;
  std::vector<bool> waiting_here(objects.size());
  for (std::size_t i = 0; i < objects.size(); ++i) {
    entries.push_back({objects[i].fileno(), events_of(objects[i]), 0});
    if (!seen.insert(entries.back().fd).second) {
      throw KeyError(fmt::format("connection::wait: descriptor {} is given twice; name each once",
                                 entries.back().fd));
    }
    waiting_here[i] = has_message(objects[i]);
    if (waiting_here[i]) deadline = os::Deadline::after(std::chrono::seconds(0));
  }
  os::poll_until(entries, deadline);
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (waiting_here[i] || entries[i].revents != 0) ready.push_back(i);
  }
  return ready;
}

std::vector<Waitable> wait(std::initializer_list<Waitable> objects, Timeout timeout) {
  return wait(std::vector<Waitable>(objects), timeout);
}

std::vector<Connection> wait(std::initializer_list<Connection> objects, Timeout timeout) {
  return wait(std::vector<Connection>(objects), timeout);
}

}  // namespace multiprocessing::connection
