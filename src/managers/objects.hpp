// SPDX-License-Identifier: BSL-1.0
// The objects of a server, and who refers to them: tickets of its process tree, leases of other
// clients, what lies in its own containers, and what is under way to somebody.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <multiprocessing/detail/managers/referent.hpp>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "managers/client.hpp"
#include "managers/frames.hpp"
#include "managers/ticket.hpp"

namespace multiprocessing::managers {

/// Threads: any number.
class Objects {
 public:
  Objects(std::uint64_t nonce, AuthKey key) : next_(nonce << kIdentBits), office_(std::move(key)) {}

  /// The number of an object, which gets one if it has none, referred to once more.
  [[nodiscard]] Ident retain(const std::shared_ptr<detail::Referent>& referent);
  /// Null if there is none of that number (any more).
  [[nodiscard]] std::shared_ptr<detail::Referent> find(Ident ident);
  /// False if there is none.
  bool retain(Ident ident);
  /// The last one ends the object.
  void release(Ident ident, std::size_t times = 1);

  /// Refers to it until somebody else has had the time to.
  bool keep_for_a_while(Ident ident);
  /// A ticket, which takes over a reference that the caller has.
  [[nodiscard]] Handle issue_ticket(Ident ident);
  /// Lets go of what ended tickets and those times over referred to.
  void collect();

  [[nodiscard]] std::size_t count();
  [[nodiscard]] std::string describe();
  /// Lets go of all.
  void clear();

 private:
  struct Entry {
    std::shared_ptr<detail::Referent> referent;
    std::size_t references = 0;
  };
  struct Kept {
    std::int64_t until_ns;
    Ident ident;
  };

  std::mutex mutex_;  // guards all below; no referent is destroyed with it
  Ident next_;
  std::unordered_map<Ident, Entry> entries_;
  std::unordered_map<const detail::Referent*, Ident> numbers_;
  std::deque<Kept> kept_;
  TicketOffice office_;
};

}  // namespace multiprocessing::managers
