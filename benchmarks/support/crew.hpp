// SPDX-License-Identifier: BSL-1.0
// A crew of forked processes that begin together and are timed as one.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

namespace bench {

using Work = std::function<void()>;

/// CLOCK_MONOTONIC in nanoseconds.
std::int64_t now_ns();

/// Forks one process for each work, lets them begin at once and says how many nanoseconds passed
/// until the last one had ended. Ends the program if one of them fails.
std::int64_t time_together(const std::vector<Work>& crew);

/// The same with every process on CPU 0.
std::int64_t time_on_one_cpu(const std::vector<Work>& crew);

/// A zeroed page run that the crew shares.
void* shared_memory(std::size_t bytes);
template <class T> T& shared() { return *static_cast<T*>(shared_memory(sizeof(T))); }

double median(std::vector<double> values);

}  // namespace bench
