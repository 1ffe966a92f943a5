// SPDX-License-Identifier: BSL-1.0
// References of a process tree to objects in a server: shared objects of the arena, which knows of
// every process and message that has one, and of the killed.
//
// Each ticket has a place on a board, where its end is noted by whoever drops the last reference or
// sweeps what a dead process left. The server looks there.
//
// Death: in the middle of noting an end: another process notes it once more. Serials only grow, so
//        that one who is late cannot take back the end of a later ticket at the same place.
#pragma once
#include <cstddef>
#include <cstdint>
#include <multiprocessing/detail/handle.hpp>
#include <multiprocessing/listener.hpp>
#include <vector>

#include "managers/frames.hpp"
#include "memory/object.hpp"

namespace multiprocessing::managers {

using detail::Handle;

/// The key to the server that a ticket is for.
[[nodiscard]] AuthKey key_of(const Handle& handle);

/// The places of a server's tickets. The caller guards it.
class TicketOffice {
 public:
  explicit TicketOffice(AuthKey key) : key_(std::move(key)) {}

  /// A new ticket for that object. THROWS: MemoryError.
  [[nodiscard]] Handle issue(Ident ident);
  /// The objects of the tickets that have ended since the last time, each as often as it had one.
  [[nodiscard]] std::vector<Ident> collect();
  [[nodiscard]] std::size_t open() const noexcept { return open_; }

 private:
  struct Place {
    std::uint32_t serial = 0;  // of the ticket there; 0: none yet
    bool taken = false;
    Ident ident = 0;
  };
  AuthKey key_;
  std::vector<Handle> boards_;
  std::vector<Place> places_;  // of all boards
  std::vector<std::uint32_t> free_;
  std::size_t open_ = 0;
};

}  // namespace multiprocessing::managers
