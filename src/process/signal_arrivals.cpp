// SPDX-License-Identifier: BSL-1.0
#include "process/signal_arrivals.hpp"

#include <cstddef>

namespace multiprocessing::process {
namespace {

using Count = std::atomic<std::uint32_t>;

static_assert(Count::is_always_lock_free && std::atomic<std::uint8_t>::is_always_lock_free);

Count& count_of(std::array<Count, kSignals>& counts, int signal) noexcept {
  return counts[static_cast<std::size_t>(signal)];
}

bool take_one(Count& count) noexcept {
  std::uint32_t seen = count.load(std::memory_order_acquire);
  while (seen > 0) {
    if (count.compare_exchange_weak(seen, seen - 1, std::memory_order_acquire)) return true;
  }
  return false;
}

void announce(os::FutexWord& changes) noexcept {
  changes.fetch_add(1, std::memory_order_release);
  os::futex_wake(changes);
}

}  // namespace

bool SignalQueue::add_in_order(int signal) noexcept {
  std::uint32_t place = head_.load(std::memory_order_relaxed);
  do {
    if (place - tail_.load(std::memory_order_acquire) >= kRoom) return false;
  } while (!head_.compare_exchange_weak(place, place + 1, std::memory_order_relaxed));
  ring_[place % kRoom].store(static_cast<std::uint8_t>(signal), std::memory_order_release);
  return true;
}

void SignalQueue::add(int signal) noexcept {
  if (!add_in_order(signal)) count_of(beyond_, signal).fetch_add(1, std::memory_order_release);
  announce(changes_);
}

int SignalQueue::try_take() noexcept {
  const std::uint32_t place = tail_.load(std::memory_order_relaxed);
  if (const int signal = ring_[place % kRoom].exchange(0, std::memory_order_acquire)) {
    tail_.store(place + 1, std::memory_order_release);
    return signal;
  }
  // A place that was taken and is not written yet is announced when it is.
  if (place != head_.load(std::memory_order_relaxed)) return 0;
  for (int signal = 1; signal < kSignals; ++signal) {
    if (take_one(count_of(beyond_, signal))) return signal;
  }
  return 0;
}

int SignalQueue::take() noexcept {
  for (;;) {
    const std::uint32_t seen = changes_.load(std::memory_order_acquire);
    if (const int signal = try_take()) return signal;
    os::futex_wait(changes_, seen, os::Deadline::never().at_ns());
  }
}

void SignalQueue::clear() noexcept {
  const std::uint32_t head = head_.load(std::memory_order_relaxed);
  for (std::uint32_t place = tail_.load(std::memory_order_relaxed); place != head; ++place) {
    ring_[place % kRoom].store(0, std::memory_order_relaxed);
  }
  tail_.store(head, std::memory_order_relaxed);
  for (Count& count : beyond_) count.store(0, std::memory_order_relaxed);
}

void KeptSignals::add(int signal) noexcept {
  count_of(counts_, signal).fetch_add(1, std::memory_order_release);
  announce(changes_);
}

int KeptSignals::try_take(std::span<const int> signals) noexcept {
  for (const int signal : signals) {
    if (take_one(count_of(counts_, signal))) return signal;
  }
  return 0;
}

int KeptSignals::take(std::span<const int> signals, const os::Deadline& deadline) noexcept {
  for (;;) {
    const std::uint32_t seen = changes_.load(std::memory_order_acquire);
    if (const int signal = try_take(signals)) return signal;
    if (deadline.passed()) return 0;
    os::futex_wait(changes_, seen, deadline.at_ns());
  }
}

bool KeptSignals::forget(int signal) noexcept {
  return count_of(counts_, signal).exchange(0, std::memory_order_relaxed) > 0;
}

void KeptSignals::clear() noexcept {
  for (Count& count : counts_) count.store(0, std::memory_order_relaxed);
}

}  // namespace multiprocessing::process
