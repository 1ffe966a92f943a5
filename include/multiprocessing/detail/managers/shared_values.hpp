// SPDX-License-Identifier: BSL-1.0
// A Value or an Array of the program's in a server, with or without a lock: what a callable that
// returns one gives to other programs.
//
// Death: of a process that holds its lock: who calls gets OwnerDiedError until somebody repairs it.
#pragma once
#include <multiprocessing/detail/managers/shared_locks.hpp>
#include <multiprocessing/detail/managers/value.hpp>
#include <multiprocessing/detail/managers/waits.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/sharedctypes.hpp>

#include <chrono>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace multiprocessing::detail {

template <class T> inline constexpr bool kIsSharedValue = false;
template <Message T> inline constexpr bool kIsSharedValue<Value<T>> = true;
template <Message T> inline constexpr bool kIsSharedValue<multiprocessing::RawValue<T>> = true;

template <class T> inline constexpr bool kIsSharedArray = false;
template <Message T> inline constexpr bool kIsSharedArray<Array<T>> = true;
template <Message T> inline constexpr bool kIsSharedArray<RawArray<T>> = true;

/// Releases what was acquired. Another process may have done that already, as it may with a Lock.
template <class S> class HoldOfShared {
 public:
  explicit HoldOfShared(const S& acquired) noexcept : shared_(acquired) {}
  HoldOfShared(const HoldOfShared&) = delete;
  HoldOfShared& operator=(const HoldOfShared&) = delete;
  ~HoldOfShared() {
    try {
      shared_.release();
    } catch (const Error&) {
      // It is free.
    }
  }

 private:
  const S& shared_;
};

/// See OwnData. S: a Value, RawValue, Array or RawArray.
template <class S> class SharedData {
 public:
  explicit SharedData(S shared) : shared_(std::move(shared)) {
    if constexpr (kHasLock) lock_ = referent_of_handle(shared_.get_lock());
  }

  template <class Use> void use(ServerCall& call, Use use) const {
    if constexpr (kHasLock) {
      // The caller may hold the lock already, through a proxy of that.
      if (run_as_holder(*lock_, call.caller(), [&] { use(data()); })) return;
      in_slices(call, forever, [&](Timeout slice, bool) { return shared_.acquire(slice); });
      const HoldOfShared guard(shared_);
      use(data());
    } else {
      use(data());
    }
  }
  template <class Use> bool try_use(Use use) const {
    if constexpr (kHasLock) {
      try {
        if (!shared_.acquire(std::chrono::milliseconds(100))) return false;
      } catch (const OwnerDiedError&) {
        return false;
      }
      const HoldOfShared guard(shared_);
      use(data());
    } else {
      use(data());
    }
    return true;
  }

 private:
  static constexpr bool kHasLock = std::is_base_of_v<Synchronized, S>;
  [[nodiscard]] decltype(auto) data() const {
    if constexpr (kIsSharedValue<S>) {
      return shared_.value();
    } else {
      return std::span<typename S::value_type>(shared_.data(), shared_.size());
    }
  }

  S shared_;
  std::shared_ptr<Referent> lock_;  // stands for the lock, if there is one
};

}  // namespace multiprocessing::detail
