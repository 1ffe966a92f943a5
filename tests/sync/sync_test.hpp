// SPDX-License-Identifier: BSL-1.0
// What the tests of the primitives share.
#pragma once
#include <multiprocessing/synchronize.hpp>

#include "arena_test.hpp"

namespace multiprocessing::test {

class SyncTest : public ArenaTest {};

}  // namespace multiprocessing::test
