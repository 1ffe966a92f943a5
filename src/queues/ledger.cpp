// SPDX-License-Identifier: BSL-1.0
#include "queues/ledger.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <string>

namespace multiprocessing::queues {

template <class Visit> bool Ledger::visit_accounts(const Visit& visit) const {
  for (std::size_t word = 0; word < std::size(used_); ++word) {
    std::uint64_t bits = used_[word].load(std::memory_order_acquire);
    for (; bits != 0; bits &= bits - 1) {
      const std::size_t slot = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
      const std::uint64_t seen = accounts_[slot].load(std::memory_order_relaxed);
      if (count_in(seen) != 0 && visit(slot, seen)) return true;
    }
  }
  return false;
}

void Ledger::set_used(std::size_t slot, bool used) noexcept {
  std::atomic<std::uint64_t>& word = used_[slot / 64];
  const std::uint64_t bit = std::uint64_t{1} << slot % 64;
  const std::uint64_t seen = word.load(std::memory_order_relaxed);
  word.store(used ? seen | bit : seen & ~bit, std::memory_order_release);
}

void Ledger::note(std::size_t slot, std::uint64_t value, std::uint32_t new_done,
                  std::uint32_t new_lost) noexcept {
  redo_.slot.store(static_cast<std::uint32_t>(slot), std::memory_order_release);
  redo_.value.store(value, std::memory_order_release);
  redo_.done.store(new_done, std::memory_order_release);
  redo_.lost.store(new_lost, std::memory_order_release);
}

// Every store is a release, so that a death leaves them done in this order.
void Ledger::apply() noexcept {
  accounts_[redo_.slot.load(std::memory_order_relaxed)].store(
      redo_.value.load(std::memory_order_relaxed), std::memory_order_release);
  done.store(redo_.done.load(std::memory_order_relaxed), std::memory_order_release);
  lost.store(redo_.lost.load(std::memory_order_relaxed), std::memory_order_release);
  redo_.armed.store(kNo, std::memory_order_release);
}

void Ledger::arm_and_apply() noexcept {
  redo_.armed.store(kAlways, std::memory_order_release);
  apply();
}

void Ledger::settle(Place head) noexcept {
  switch (redo_.armed.load(std::memory_order_acquire)) {
    case kAlways:
      apply();
      break;
    case kIfTaken:
      if (redo_.at.load() != head) apply();
      break;
    default:
      break;
  }
  redo_.armed.store(kNo, std::memory_order_release);
}

void Ledger::will_take(QueueObject& queue, Place head) noexcept {
  const memory::Serial self = memory::self();
  const std::size_t slot = self % memory::kSlots;
  const std::uint64_t seen = accounts_[slot].load(std::memory_order_relaxed);
  const bool other = count_in(seen) != 0 && serial_in(seen) != self;
  if (other)
    write_off(slot, put_so_far(queue));  // of a dead process: nobody else has had this slot
  const std::uint32_t count = other ? 0 : count_in(seen);
  if (count == 0) set_used(slot, true);
  note(slot, account(self, count + 1), done.load(std::memory_order_relaxed),
       lost.load(std::memory_order_relaxed));
  redo_.at.store(head, std::memory_order_relaxed);
  redo_.armed.store(kIfTaken, std::memory_order_release);
}

std::size_t Ledger::account_to_relieve() const noexcept {
  const memory::Serial self = memory::self();
  const std::size_t own = self % memory::kSlots;
  const std::uint64_t seen = accounts_[own].load(std::memory_order_relaxed);
  if (count_in(seen) != 0 && serial_in(seen) == self) return own;
  // Another process's item, passed on by other means; if nobody has any, one not taken yet.
  std::size_t found = own;
  visit_accounts([&](std::size_t slot, std::uint64_t) {
    found = slot;
    return true;
  });
  return found;
}

bool Ledger::mark_done(std::uint32_t put) noexcept {
  if (unfinished(put) == 0) return false;
  const std::size_t slot = account_to_relieve();
  const std::uint64_t seen = accounts_[slot].load(std::memory_order_relaxed);
  const std::uint32_t count = count_in(seen);
  note(slot, count == 0 ? seen : account(serial_in(seen), count - 1),
       done.load(std::memory_order_relaxed) + 1, lost.load(std::memory_order_relaxed));
  arm_and_apply();
  if (count == 1) set_used(slot, false);
  return true;
}

void Ledger::write_off(std::size_t slot, std::uint32_t put) noexcept {
  const std::uint64_t seen = accounts_[slot].load(std::memory_order_relaxed);
  const std::uint32_t count = std::min(count_in(seen), unfinished(put));
  const memory::ProcessInfo who = memory::who(serial_in(seen));
  if (count != 0) {
    lost_pid = who.pid;
    static_assert(sizeof lost_name == sizeof who.name);
    std::memcpy(lost_name, who.name, sizeof lost_name);
  }
  note(slot, 0, done.load(std::memory_order_relaxed) + count,
       lost.load(std::memory_order_relaxed) + count);
  arm_and_apply();
  set_used(slot, false);
}

void Ledger::lose(std::uint32_t items, pid_t pid, std::string_view name,
                  std::uint32_t put) noexcept {
  const memory::Serial self = memory::self();
  const std::size_t slot = self % memory::kSlots;
  const std::uint64_t seen = accounts_[slot].load(std::memory_order_relaxed);
  const bool own = count_in(seen) != 0 && serial_in(seen) == self;
  // What another process has marked meanwhile has come off this one's account.
  items = std::min({items, unfinished(put), own ? count_in(seen) : 0});
  if (items == 0) return;
  const std::uint64_t left = account(self, count_in(seen) - items);
  lost_pid = pid;
  const std::size_t length = std::min(name.size(), sizeof lost_name - 1);
  std::memcpy(lost_name, name.data(), length);
  lost_name[length] = '\0';
  note(slot, left, done.load(std::memory_order_relaxed) + items,
       lost.load(std::memory_order_relaxed) + items);
  arm_and_apply();
  if (left == 0) set_used(slot, false);
}

void Ledger::write_off_dead(std::uint32_t put) noexcept {
  visit_accounts([&](std::size_t slot, std::uint64_t seen) {
    if (memory::dead(serial_in(seen))) write_off(slot, put);
    return false;
  });
}

bool Ledger::has_dead_taker() const noexcept {
  return visit_accounts(
      [](std::size_t, std::uint64_t seen) { return memory::dead(serial_in(seen)); });
}

}  // namespace multiprocessing::queues
