// SPDX-License-Identifier: BSL-1.0
// The handle Barrier.
#include <multiprocessing/synchronize.hpp>
#include <new>

#include "sync/barrier_state.hpp"
#include "sync/handle_state.hpp"

namespace multiprocessing {
namespace {

using sync::BarrierState;

BarrierState& state(const detail::Handle& handle) {
  return sync::state_of<BarrierState>(handle, "Barrier");
}

}  // namespace

detail::Handle Barrier::make(int parties, bool has_action, Timeout timeout) {
  if (parties < 1) {
    throw ValueError(fmt::format("Barrier({}): there must be 1 party or more", parties));
  }
  const auto count = static_cast<std::uint32_t>(parties);
  auto init = [&](void* where) { ::new (where) BarrierState(count, has_action, timeout); };
  return memory::create_object(
      BarrierState::kKind, BarrierState::bytes_for(count),
      [](void* where, void* f) { (*static_cast<decltype(init)*>(f))(where); }, &init);
}

Barrier::Barrier(int parties, std::nullptr_t, Timeout timeout)
    : handle_(make(parties, false, timeout)) {}

int Barrier::wait(Timeout timeout) { return wait_and_look(timeout, {}); }

int Barrier::wait_and_look(Timeout timeout, detail::Callback look) {
  BarrierState& barrier = state(handle_);
  const Timeout chosen = timeout.is_forever() ? barrier.timeout() : timeout;
  return static_cast<int>(barrier.wait(chosen, {run_, action_.get()}, {look.run, look.context}));
}

void Barrier::reset() { state(handle_).reset(); }
void Barrier::abort() { state(handle_).abort(); }
int Barrier::parties() const { return static_cast<int>(state(handle_).parties()); }
int Barrier::n_waiting() const { return static_cast<int>(state(handle_).waiting()); }
bool Barrier::broken() const { return state(handle_).broken(); }

}  // namespace multiprocessing
