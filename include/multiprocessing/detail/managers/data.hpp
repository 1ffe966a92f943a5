// SPDX-License-Identifier: BSL-1.0
// Where a Value or an Array of a server lies.
#pragma once
#include <multiprocessing/detail/managers/referent.hpp>

#include <mutex>
#include <utility>

namespace multiprocessing::detail {

/// In the server's own memory.
template <class D> class OwnData {
 public:
  explicit OwnData(D data) : data_(std::move(data)) {}

  /// Calls `use(data)` with others kept out. THROWS: what ends the call if the caller has gone.
  template <class Use> void use(ServerCall& /*call*/, Use use) {
    const std::lock_guard guard(mutex_);
    use(data_);
  }
  /// The same for who has no caller; false: somebody has kept it locked too long.
  template <class Use> bool try_use(Use use) const {
    const std::lock_guard guard(mutex_);
    use(data_);
    return true;
  }

 private:
  mutable std::mutex mutex_;
  D data_;  // guarded by mutex_
};

}  // namespace multiprocessing::detail
