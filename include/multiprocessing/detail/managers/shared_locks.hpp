// SPDX-License-Identifier: BSL-1.0
// Locks of the program's and their like in a server: what a callable that returns one gives to
// other programs.
#pragma once
#include <multiprocessing/detail/managers/referent.hpp>
#include <multiprocessing/synchronize.hpp>

#include <functional>
#include <memory>

namespace multiprocessing::detail {

/// What stands for it in the servers of this process: one for all handles to it, so that all who
/// hold it through a server are known in one place.
[[nodiscard]] std::shared_ptr<Referent> referent_of_handle(const AnyLock& lock);
[[nodiscard]] std::shared_ptr<Referent> referent_of_handle(const Semaphore& semaphore);
[[nodiscard]] std::shared_ptr<Referent> referent_of_handle(const Event& event);
[[nodiscard]] std::shared_ptr<Referent> referent_of_handle(const Condition& condition);
[[nodiscard]] std::shared_ptr<Referent> referent_of_handle(const Barrier& barrier);

/// Runs `act` if the caller of a server holds the lock of that referent; says whether.
bool run_as_holder(Referent& lock, const Caller& caller, const std::function<void()>& act);

template <class T>
concept LockHandle = requires(const T& handle) {
  referent_of_handle(handle);
};

}  // namespace multiprocessing::detail
