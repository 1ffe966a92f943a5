// SPDX-License-Identifier: BSL-1.0
#include "connection/pipe_state.hpp"

#include "memory/arena.hpp"

namespace multiprocessing::connection {
namespace {

using memory::Handle;
using memory::ObjectHeader;
using memory::Offset;

struct BagObject : ObjectHeader {
  // A pipe in a bag of its own would keep itself alive for ever; it needs no other reference than
  // its end that the message comes out of.
  static constexpr Offset kThePipeItself = 0;

  std::uint64_t count;
  Offset handles[1];
};

BagObject& contents(const Handle& bag) { return static_cast<BagObject&>(bag.as<ObjectHeader>()); }

void empty(ObjectHeader& object) {
  auto& bag = static_cast<BagObject&>(object);
  for (std::uint64_t i = 0; i < bag.count; ++i) {
    if (bag.handles[i] == BagObject::kThePipeItself) continue;
    memory::unpin(*memory::at_as<ObjectHeader>(bag.handles[i]), &bag);
  }
}

// A lane is out of reach before it is let go, for this may run again. The pipe's references to what
// else it keeps alive end with its block, a moment after this.
void abandon(ObjectHeader& object) {
  auto& pipe = static_cast<PipeState&>(object);
  for (auto& lane : pipe.lanes) {
    const Offset at = lane.exchange(0);
    if (at == 0) continue;
    memory::unpin(*memory::at_as<ObjectHeader>(at), &pipe);
    pipe.pinned.fetch_sub(1);
  }
  if (pipe.pinned.load() != 0) memory::request_sweep();
}

// Before main, for a process that has no pipe may still have to clean up after one that had.
[[maybe_unused]] const bool finalizers_registered = [] {
  memory::register_finalizer(memory::ObjectKind::kBag, empty);
  memory::register_finalizer(memory::ObjectKind::kConnection, abandon);
  return true;
}();

}  // namespace

Bag::Bag(PipeState& pipe, std::span<const Handle> handles) : pipe_(pipe) {
  if (handles.empty()) return;
  const std::size_t bytes = sizeof(BagObject) + handles.size() * sizeof(Offset);
  const auto leave_zero = [](void*, void*) {};
  object_ = memory::create_object(memory::ObjectKind::kBag, bytes, leave_zero, nullptr);
  BagObject& bag = contents(object_);
  for (const Handle& handle : handles) {
    auto& object = handle.as<ObjectHeader>();
    const bool itself = &object == static_cast<ObjectHeader*>(&pipe);
    bag.handles[bag.count] = itself ? BagObject::kThePipeItself : memory::offset_of(&object);
    // Counted before it is pinned: who empties the bag lets go of what is counted, pinned or not.
    ++bag.count;
    if (!itself) memory::pin(object, &bag);
  }
  pipe.pinned.fetch_add(1);
  memory::pin(bag, &pipe);
}

Bag::~Bag() {
  if (!object_ || sent_) return;
  // The receiver may have taken it, and failed later: then this does nothing.
  memory::unpin(object_.as<ObjectHeader>(), &pipe_);
}

Offset Bag::offset() const noexcept { return memory::offset_of(object_.get()); }

std::vector<Handle> unpack(const Handle& pipe, Offset where) {
  const Handle object = memory::adopt(where);
  const BagObject& bag = contents(object);
  std::vector<Handle> handles;
  handles.reserve(bag.count);
  for (std::uint64_t i = 0; i < bag.count; ++i) {
    const Offset handle = bag.handles[i];
    handles.push_back(handle == BagObject::kThePipeItself ? pipe : memory::adopt(handle));
  }
  auto& state = static_cast<PipeState&>(pipe.as<ObjectHeader>());
  memory::unpin(object.as<ObjectHeader>(), &state);
  state.pinned.fetch_sub(1);
  return handles;
}

}  // namespace multiprocessing::connection
