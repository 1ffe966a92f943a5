// SPDX-License-Identifier: BSL-1.0
// The limit of the memory that all shared objects of a program live in.
#pragma once
#include <cstddef>

namespace multiprocessing {

/// Limits the shared memory of this process tree to `bytes`; past it, calls throw MemoryError.
///
/// Before the first use of a shared object, else RuntimeError; ValueError for 0. The environment
/// variable MULTIPROCESSING_SEGMENT_LIMIT (bytes) does the same where this is not called. The
/// default is the smaller of 75 % of the memory and the cgroup's limit.
void set_segment_limit(std::size_t bytes);

}  // namespace multiprocessing
