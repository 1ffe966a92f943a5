// SPDX-License-Identifier: BSL-1.0
// Connections as a Listener or a Client makes them, of a descriptor.
#pragma once
#include <memory>
#include <multiprocessing/connection.hpp>

#include "connection/stream_end.hpp"

namespace multiprocessing::test {

inline Connection reading_ahead(int fd) {
  return detail::ConnectionCore::connection(std::make_shared<connection::StreamEnd>(
      os::Fd(fd), connection::StreamOptions{}, connection::ReadAhead::of_own_descriptor()));
}

}  // namespace multiprocessing::test
