// SPDX-License-Identifier: BSL-1.0
#include "connection/pipe_state.hpp"

#include "memory/arena.hpp"

namespace multiprocessing::connection {
namespace {

using memory::Offset;

struct Bag : memory::ObjectHeader {
  std::uint64_t count;
  Offset handles[1];
};

void empty(memory::ObjectHeader& object) {
  auto& bag = static_cast<Bag&>(object);
  for (std::uint64_t i = 0; i < bag.count; ++i) {
    memory::unpin(*memory::at_as<memory::ObjectHeader>(bag.handles[i]), &bag);
  }
}

// The bags' references to the pipe end with its block, a moment after this.
void abandon(memory::ObjectHeader& object) {
  if (static_cast<PipeState&>(object).bags.load() != 0) memory::request_sweep();
}

}  // namespace

void register_finalizers() noexcept {
  memory::register_finalizer(memory::ObjectKind::kBag, empty);
  memory::register_finalizer(memory::ObjectKind::kConnection, abandon);
}

Offset pack(PipeState& pipe, std::span<const memory::Handle> handles) {
  const std::size_t bytes = sizeof(Bag) + handles.size() * sizeof(Offset);
  const auto leave_zero = [](void*, void*) {};
  const memory::Handle handle =
      memory::create_object(memory::ObjectKind::kBag, bytes, leave_zero, nullptr);
  Bag& bag = handle.as<Bag>();
  for (const memory::Handle& one : handles) {
    bag.handles[bag.count] = memory::offset_of(one.get());
    // Counted before it is pinned: who empties the bag lets go of what is counted, pinned or not.
    ++bag.count;
    memory::pin(one.as<memory::ObjectHeader>(), &bag);
  }
  pipe.bags.fetch_add(1);
  memory::pin(bag, &pipe);
  return memory::offset_of(&bag);
}

std::vector<memory::Handle> unpack(PipeState& pipe, Offset at) {
  const memory::Handle handle = memory::adopt(at);
  const Bag& bag = handle.as<Bag>();
  std::vector<memory::Handle> handles;
  handles.reserve(bag.count);
  for (std::uint64_t i = 0; i < bag.count; ++i) handles.push_back(memory::adopt(bag.handles[i]));
  discard(pipe, at);
  return handles;
}

void discard(PipeState& pipe, Offset at) noexcept {
  memory::unpin(*memory::at_as<memory::ObjectHeader>(at), &pipe);
  pipe.bags.fetch_sub(1);
}

}  // namespace multiprocessing::connection
