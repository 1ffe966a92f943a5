// SPDX-License-Identifier: BSL-1.0
// What a wait asks each time it looks about: may end it by throwing. A manager's server waits for
// others, and gives up when they are gone.
#pragma once

namespace multiprocessing::sync {

/// A callable by address; the caller keeps it alive. Without one there is nothing to ask.
struct Look {
  void (*run)(void*) = nullptr;
  void* context = nullptr;

  template <class F> static Look of(F& f) noexcept {
    return {[](void* callable) { (*static_cast<F*>(callable))(); }, &f};
  }
  explicit operator bool() const noexcept { return run != nullptr; }
  void operator()() const {
    if (run != nullptr) run(context);
  }
};

}  // namespace multiprocessing::sync
