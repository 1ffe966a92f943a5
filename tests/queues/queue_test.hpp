// SPDX-License-Identifier: BSL-1.0
// What the tests of the queues share.
#pragma once
#include <multiprocessing/queues.hpp>

#include "arena_test.hpp"

namespace multiprocessing::test {

/// The same queue with another type of messages.
template <class Other, class Same> [[nodiscard]] Other same_as(const Same& queue) {
  return detail::HandleAccess::make<Other>(detail::HandleAccess::get(queue));
}

class QueueTest : public ArenaTest {};

}  // namespace multiprocessing::test
