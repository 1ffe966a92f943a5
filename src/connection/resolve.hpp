// SPDX-License-Identifier: BSL-1.0
// Between Address and the kernel's form of it.
#pragma once
#include <multiprocessing/address.hpp>
#include <vector>

#include "os/socket_address.hpp"

namespace multiprocessing::connection {

/// All that it stands for. `type`: SOCK_STREAM or SOCK_DGRAM. REQUIRES: not empty.
[[nodiscard]] std::vector<os::SocketAddress> resolve(const Address& address, int type, os::Use use);

[[nodiscard]] Address address_of(const os::SocketAddress& address);

/// An abstract name that nobody else has.
[[nodiscard]] Address made_up_address();

}  // namespace multiprocessing::connection
