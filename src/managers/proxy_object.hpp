// SPDX-License-Identifier: BSL-1.0
// Proxies in Objects.
#pragma once
#include <multiprocessing/detail/object_handle.hpp>

namespace multiprocessing::managers {

/// Reads what encode_proxy wrote.
[[nodiscard]] detail::HeldPointer decode_held_proxy(detail::Decoder& in);

}  // namespace multiprocessing::managers
