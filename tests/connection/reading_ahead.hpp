// SPDX-License-Identifier: BSL-1.0
// Connections as a Listener or a Client makes them, of a descriptor.
#pragma once
#include <multiprocessing/connection.hpp>

#include "connection/stream_end.hpp"

namespace multiprocessing::test {

inline Connection reading_ahead(int fd) {
  return detail::ConnectionCore::connection(connection::StreamEnd::of_own(os::Fd(fd), {}));
}

}  // namespace multiprocessing::test
