// SPDX-License-Identifier: BSL-1.0
// A socket that the children which a process forks do not keep: one that a child held by accident
// would hide its parent's death from the other side.
#pragma once
#include <cstdint>

#include "os/fd.hpp"
#include "os/no_fork.hpp"

namespace multiprocessing::managers {

/// One owner. In a forked child it is closed already, and destroying it there does nothing.
class OwnSocket {
 public:
  OwnSocket() noexcept = default;
  OwnSocket(OwnSocket&& other) noexcept { *this = static_cast<OwnSocket&&>(other); }
  OwnSocket& operator=(OwnSocket&& other) noexcept;
  ~OwnSocket() { close(); }

  /// Owns the descriptor that `make` returns, which waits for nobody; it may be none. No fork comes
  /// before children know of it.
  template <class Make> [[nodiscard]] static OwnSocket made_by(const Make& make) {
    const os::NoFork none;
    return OwnSocket(make());
  }

  /// -1: none, or the parent's.
  [[nodiscard]] int get() const noexcept;
  void close() noexcept;

 private:
  explicit OwnSocket(os::Fd fd) noexcept;

  os::Fd fd_;
  std::uint32_t generation_ = 0;  // fork_generation() of the process that opened it
  int* entry_ = nullptr;          // in the table of those that a child closes
};

}  // namespace multiprocessing::managers
