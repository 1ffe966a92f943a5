// SPDX-License-Identifier: BSL-1.0
#include "managers/ticket.hpp"

#include <atomic>
#include <cstring>
#include <utility>

#include "memory/arena.hpp"

namespace multiprocessing::managers {
namespace {

using memory::ObjectHeader;
using memory::Offset;

constexpr std::uint32_t kPlaces = 4096;

struct Board : ObjectHeader {
  static constexpr memory::ObjectKind kKind = memory::ObjectKind::kBoard;
  std::atomic<std::uint32_t> ended[kPlaces];  // the serial of the last ticket there that has ended
};

struct Ticket : ObjectHeader {
  std::atomic<Offset> board;  // 0: its end is noted
  std::uint32_t place;
  std::uint32_t serial;
  std::uint64_t key_bytes;
  std::byte key[1];
};

void note_end(ObjectHeader& object) {
  auto& ticket = static_cast<Ticket&>(object);
  const Offset at = ticket.board.load();
  if (at == 0) return;
  auto& board = static_cast<Board&>(*memory::at_as<ObjectHeader>(at));
  std::atomic<std::uint32_t>& ended = board.ended[ticket.place];
  std::uint32_t seen = ended.load();
  while (seen < ticket.serial && !ended.compare_exchange_weak(seen, ticket.serial)) {
  }
  ticket.board.store(0);
  memory::unpin(board, &ticket);
}

// Before main, for any process may drop the last reference.
[[maybe_unused]] const bool finalizers_registered = [] {
  memory::register_finalizer(memory::ObjectKind::kTicket, note_end);
  memory::register_finalizer(memory::ObjectKind::kBoard, [](ObjectHeader&) {});
  return true;
}();

Board& board_of(const Handle& handle) { return static_cast<Board&>(handle.as<ObjectHeader>()); }

}  // namespace

AuthKey key_of(const Handle& handle) {
  const auto& ticket = static_cast<Ticket&>(handle.as<ObjectHeader>());
  return AuthKey(std::vector<std::byte>(ticket.key, ticket.key + ticket.key_bytes));
}

Handle TicketOffice::issue(Ident ident) {
  if (free_.empty()) {
    boards_.push_back(memory::make_object<Board>());
    const auto first = static_cast<std::uint32_t>(places_.size());
    places_.resize(first + kPlaces);
    for (std::uint32_t i = kPlaces; i-- > 0;) free_.push_back(first + i);
  }
  const std::uint32_t place = free_.back();
  const Handle& board = boards_[place / kPlaces];
  const auto key = key_.bytes();
  auto init = [&](void* where) {
    auto& ticket = *static_cast<Ticket*>(where);
    ticket.place = place % kPlaces;
    ticket.serial = places_[place].serial + 1;
    ticket.key_bytes = key.size();
    if (!key.empty()) std::memcpy(ticket.key, key.data(), key.size());
    memory::pin(board.as<ObjectHeader>(), &ticket);
    ticket.board.store(memory::offset_of(board.get()));
  };
  Handle ticket = memory::create_object(
      memory::ObjectKind::kTicket, sizeof(Ticket) + key.size(),
      [](void* where, void* f) { (*static_cast<decltype(init)*>(f))(where); }, &init);
  free_.pop_back();
  places_[place] = {places_[place].serial + 1, true, ident};
  ++open_;
  return ticket;
}

std::vector<Ident> TicketOffice::collect() {
  std::vector<Ident> ended;
  for (std::uint32_t i = 0; i < places_.size() && open_ != 0; ++i) {
    Place& place = places_[i];
    if (!place.taken) continue;
    if (board_of(boards_[i / kPlaces]).ended[i % kPlaces].load() != place.serial) continue;
    place.taken = false;
    ended.push_back(place.ident);
    free_.push_back(i);
    --open_;
  }
  return ended;
}

}  // namespace multiprocessing::managers
