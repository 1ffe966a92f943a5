// SPDX-License-Identifier: BSL-1.0
// The handles Semaphore and BoundedSemaphore.
#include <multiprocessing/synchronize.hpp>
#include <new>

#include "sync/bounded_semaphore_state.hpp"
#include "sync/handle_state.hpp"
#include "sync/semaphore_state.hpp"

namespace multiprocessing {
namespace {

using sync::BoundedSemaphoreState;
using sync::SemaphoreState;

SemaphoreState& state(const detail::Handle& handle) {
  return sync::state_of<SemaphoreState>(handle, "Semaphore");
}

// Null for a semaphore without a bound.
BoundedSemaphoreState* bounded(SemaphoreState& semaphore) {
  return semaphore.bounded() ? static_cast<BoundedSemaphoreState*>(&semaphore) : nullptr;
}

const char* kind_name(const SemaphoreState& semaphore) {
  return semaphore.bounded() ? "BoundedSemaphore" : "Semaphore";
}

std::uint32_t checked_value(int value, const char* kind) {
  if (value >= 0) return static_cast<std::uint32_t>(value);
  throw ValueError(fmt::format("{}({}): the value may not be negative", kind, value));
}

std::uint32_t checked_permits(int permits, SemaphoreState& semaphore, const char* call) {
  if (permits >= 1) return static_cast<std::uint32_t>(permits);
  throw ValueError(
      fmt::format("{}: {}({}): ask for 1 or more", kind_name(semaphore), call, permits));
}

detail::Handle make_bounded(std::uint32_t bound) {
  return memory::create_object(
      BoundedSemaphoreState::kKind, BoundedSemaphoreState::bytes_for(bound),
      [](void* where, void* value) {
        ::new (where) BoundedSemaphoreState(*static_cast<std::uint32_t*>(value));
      },
      &bound);
}

bool take(SemaphoreState& semaphore, std::uint32_t permits, Timeout timeout) {
  BoundedSemaphoreState* const with_bound = bounded(semaphore);
  return with_bound != nullptr ? with_bound->take(permits, timeout)
                               : semaphore.take(permits, timeout);
}

[[gnu::noinline]] void give_or_throw(SemaphoreState& semaphore, int permits) {
  const std::uint32_t given = checked_permits(permits, semaphore, "release");
  BoundedSemaphoreState* const with_bound = bounded(semaphore);
  if (with_bound != nullptr ? with_bound->give(given) : semaphore.give(given)) return;
  throw ValueError(
      fmt::format("{}: release({}): released too many times; release only what was acquired",
                  kind_name(semaphore), permits));
}

}  // namespace

Semaphore::Semaphore(int value)
    : handle_(memory::make_object<SemaphoreState>(checked_value(value, "Semaphore"))) {}

BoundedSemaphore::BoundedSemaphore(int value)
    : Semaphore(make_bounded(checked_value(value, "BoundedSemaphore"))) {}

bool Semaphore::acquire_for(Timeout timeout) {
  SemaphoreState& semaphore = state(handle_);
  return semaphore.bounded() ? take(semaphore, 1, timeout) : semaphore.take(1, timeout);
}

bool Semaphore::acquire_many(int permits, Timeout timeout) {
  SemaphoreState& semaphore = state(handle_);
  const std::uint32_t wanted = checked_permits(permits, semaphore, "acquire_many");
  const BoundedSemaphoreState* const with_bound = bounded(semaphore);
  if (with_bound != nullptr && wanted > with_bound->bound()) {
    throw ValueError(fmt::format(
        "BoundedSemaphore: acquire_many({}) of {} permits would wait for ever; ask for fewer",
        permits, with_bound->bound()));
  }
  return take(semaphore, wanted, timeout);
}

void Semaphore::release(int permits) {
  SemaphoreState& semaphore = state(handle_);
  // The usual call, with nothing to compute or to store before its locked instruction.
  if (permits == 1 && !semaphore.bounded() && semaphore.give(1)) [[likely]]
    return;
  give_or_throw(semaphore, permits);
}

int Semaphore::get_value() const {
  SemaphoreState& semaphore = state(handle_);
  BoundedSemaphoreState* const with_bound = bounded(semaphore);
  return static_cast<int>(with_bound != nullptr ? with_bound->left() : semaphore.left());
}

}  // namespace multiprocessing
