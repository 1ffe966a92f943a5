// SPDX-License-Identifier: BSL-1.0
// What is made when it is first needed, and kept for good: in place of a function's static.
//
// A static that another thread was just making when this process forked is half-made in the child
// for ever, and whoever needs it there waits for ever. Here the fork waits until it is made.
#pragma once
#include <atomic>
#include <cstddef>
#include <new>

namespace multiprocessing::os {

/// Of the thread that makes something; it may make something else meanwhile, but not fork. It waits
/// for no other thread but for who holds a mutex shortly and needs nothing for the first time.
class FirstUseGuard {
 public:
  FirstUseGuard() noexcept;
  ~FirstUseGuard();
  FirstUseGuard(const FirstUseGuard&) = delete;
  FirstUseGuard& operator=(const FirstUseGuard&) = delete;
};

/// For static storage, `constinit`. Its T is never destroyed: it may be needed after the
/// destructors of all statics. Any thread.
template <class T> class FirstUse {
 public:
  constexpr FirstUse() = default;
  FirstUse(const FirstUse&) = delete;
  FirstUse& operator=(const FirstUse&) = delete;

  /// What the first `make()` returned. THROWS: what it throws; the next one tries again.
  template <class Make> [[nodiscard]] T& get(const Make& make) {
    // acquire: pairs with the store of who made it.
    if (!made_.load(std::memory_order_acquire)) first(make);
    return *std::launder(reinterpret_cast<T*>(room_));
  }
  [[nodiscard]] T& get() {
    return get([] { return T(); });
  }

 private:
  template <class Make> [[gnu::noinline]] void first(const Make& make) {
    const FirstUseGuard guard;
    if (made_.load(std::memory_order_relaxed)) return;
    ::new (static_cast<void*>(room_)) T(make());
    made_.store(true, std::memory_order_release);
  }

  alignas(T) std::byte room_[sizeof(T)]{};
  std::atomic<bool> made_{false};
};

}  // namespace multiprocessing::os
