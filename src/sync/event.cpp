// SPDX-License-Identifier: BSL-1.0
// The handle Event.
#include <multiprocessing/synchronize.hpp>

#include "sync/event_state.hpp"
#include "sync/handle_state.hpp"

namespace multiprocessing {
namespace {

sync::EventState& state(const detail::Handle& handle) {
  return sync::state_of<sync::EventState>(handle, "Event");
}

}  // namespace

Event::Event() : handle_(memory::make_object<sync::EventState>()) {}

void Event::set() { state(handle_).set(); }
void Event::clear() { state(handle_).clear(); }
bool Event::is_set() const { return state(handle_).is_set(); }
bool Event::wait(Timeout timeout) const { return state(handle_).wait(timeout); }

}  // namespace multiprocessing
