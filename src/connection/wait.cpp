// SPDX-License-Identifier: BSL-1.0
#include <multiprocessing/connection.hpp>

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

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

// Whether a receive would return at once; `told`: the descriptor was found ready. For an end that
// sends only, and what is no Connection, the descriptor says all.
bool ready(const Waitable& object, bool told) {
  const Connection* connection = object.connection();
  if (connection == nullptr || !connection->readable()) return told;
  return ConnectionCore::of(*connection).ready(told);
}

// See ConnectionCore::begin_wait.
bool begin_wait(const Waitable& object) {
  const Connection* connection = object.connection();
  return connection != nullptr && connection->readable() &&
         ConnectionCore::of(*connection).begin_wait();
}

int descriptor_of(const Waitable& object) {
  const Connection* connection = object.connection();
  return connection == nullptr ? object.fileno() : ConnectionCore::of(*connection).fileno();
}

std::vector<pollfd> entries_of(std::span<const Waitable> objects) {
  std::vector<pollfd> entries;
  std::vector<int> numbers;
  entries.reserve(objects.size());
  numbers.reserve(objects.size());
  for (const Waitable& object : objects) {
    entries.push_back({descriptor_of(object), events_of(object), 0});
    numbers.push_back(entries.back().fd);
  }
  std::sort(numbers.begin(), numbers.end());
  const auto twice = std::adjacent_find(numbers.begin(), numbers.end());
  if (twice == numbers.end()) return entries;
  throw KeyError(
      fmt::format("connection::wait: descriptor {} is given twice; name each once", *twice));
}

// poll(2) takes no more entries than a process may have descriptors.
void check_limit(std::size_t count) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || count <= limit.rlim_cur) return;
  throw std::system_error(
      EINVAL, std::generic_category(),
      fmt::format("connection::wait: {} objects at once, and this process may have {} descriptors; "
                  "raise the limit (RLIMIT_NOFILE, `ulimit -n`) or wait for fewer",
                  count, limit.rlim_cur));
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
  const os::Deadline deadline = os::Deadline::after(timeout);
  std::vector<pollfd> entries = entries_of(objects);
  check_limit(entries.size());
  std::vector<std::size_t> found;
  for (;;) {
    bool soon = false;
    if (!deadline.passed()) {
      for (const Waitable& object : objects) soon |= begin_wait(object);
    }
    std::vector<bool> here(objects.size());
    for (std::size_t i = 0; i < objects.size(); ++i) here[i] = ready(objects[i], false);
    const bool any = std::find(here.begin(), here.end(), true) != here.end();
    const os::Deadline until = any    ? os::Deadline::after(std::chrono::seconds(0))
                               : soon ? deadline.or_soon()
                                      : deadline;
    const int told = os::poll_until(entries, until);
    for (std::size_t i = 0; i < objects.size(); ++i) {
      if (here[i] || (entries[i].revents != 0 && ready(objects[i], true))) found.push_back(i);
    }
    if (!found.empty() || (told == 0 && (!soon || deadline.passed()))) return found;
  }
}

std::vector<Waitable> wait(std::initializer_list<Waitable> objects, Timeout timeout) {
  return wait(std::vector<Waitable>(objects), timeout);
}

std::vector<Connection> wait(std::initializer_list<Connection> objects, Timeout timeout) {
  return wait(std::vector<Connection>(objects), timeout);
}

}  // namespace multiprocessing::connection
