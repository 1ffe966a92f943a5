// SPDX-License-Identifier: BSL-1.0
// Shared objects: blocks that live as long as somebody refers to them.
//
// A reference is one word in the object: the serial of a process that holds handles, or the block
// (a parcel, another object) that keeps the object alive. The word of a dead process and of a
// freed block counts as none, so nothing needs repair after a kill. Who drops the last reference,
// or sweeps the dead one that was the last, destroys the object.
//
// Taking a reference is only allowed while another one protects the object: a handle of this
// process, a parcel that this process owns, or the parent's handle during a fork. Where none does,
// adopt_if_alive looks first, and keeps it from ending meanwhile.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <multiprocessing/detail/handle.hpp>
#include <new>
#include <utility>

#include "memory/arena.hpp"

namespace multiprocessing::memory {

using detail::Handle;

/// What an object is; each kind has one finalizer, registered by the floor that owns the kind.
enum class ObjectKind : std::uint16_t {
  kNone,
  kLock,
  kSemaphore,
  kCondition,
  kEvent,
  kBarrier,
  kQueue,
  kConnection,
  kLane,         ///< messages of a pipe
  kBag,          ///< handles in flight through a pipe
  kDescriptors,  ///< descriptors in a message that lies in the arena
  kMemory,       ///< Value, Array and other plain memory
  kProcess,
  kTicket,  ///< a reference to an object in a manager's server
  kBoard,   ///< where the ends of tickets are noted for the server
  kPool,    ///< a pool's board: tasks, workers and what passes between them
  kCount
};

/// A reference word: 0 none, a process's serial, or a block with its generation.
using ReferenceWord = std::atomic<std::uint64_t>;

/// First member or base of every shared object.
struct ObjectHeader {
  static constexpr std::size_t kInline = 5;
  ReferenceWord references[kInline];
  std::atomic<Offset> more;  ///< block of further reference words, published; freed with the object
  ObjectKind kind;
  std::uint16_t reserved16;
  std::uint32_t reserved32;
  std::uint64_t reserved64;
};
static_assert(sizeof(ObjectHeader) == 64);

/// Takes an object apart: frees the blocks that only it refers to, unpins other objects. Runs once
/// more from the beginning, in another process, if this one dies in it; not for the object's own
/// block, which the caller frees.
using Finalizer = void (*)(ObjectHeader& object);
void register_finalizer(ObjectKind kind, Finalizer finalizer) noexcept;

/// Allocates and publishes an object of `bytes`, the first `zeroed` of them zeroed (64 at least),
/// then set up by `init`.
[[nodiscard]] Handle create_object(ObjectKind kind, std::size_t bytes, std::size_t zeroed,
                                   void (*init)(void*, void*), void* context);
[[nodiscard]] inline Handle create_object(ObjectKind kind, std::size_t bytes,
                                          void (*init)(void*, void*), void* context) {
  return create_object(kind, bytes, bytes, init, context);
}

/// Makes a T, whose first base is ObjectHeader and which names its T::kKind.
template <class T, class... Args> [[nodiscard]] Handle make_object(Args&&... args) {
  auto init = [&](void* where) { ::new (where) T(std::forward<Args>(args)...); };
  using Init = decltype(init);
  return create_object(
      T::kKind, sizeof(T), [](void* where, void* f) { (*static_cast<Init*>(f))(where); }, &init);
}

/// A handle to an object that another reference protects during the call.
[[nodiscard]] Handle adopt(Offset offset);

/// Tells an object from all that come later in the same memory.
using ObjectName = std::uint64_t;
[[nodiscard]] ObjectName name_of(const Handle& handle) noexcept;

/// A handle to an object that nothing need protect, as a message whose sender may have been killed
/// names it; empty if the object has ended.
[[nodiscard]] Handle adopt_if_alive(ObjectName name);

/// Makes `holder`, a block that this process owns (or an object that it is building), keep
/// `object` alive as long as `holder` is not freed.
void pin(ObjectHeader& object, const void* holder);

/// Drops that reference and destroys the object if it was the last. Not needed for correctness of
/// others: a freed holder's pin counts as none, but then only a sweep finds the object.
void unpin(ObjectHeader& object, const void* holder) noexcept;

/// Has the objects found that a finalizer's object alone kept alive by pins: they are swept soon
/// after its block is freed.
void request_sweep() noexcept;

/// Where a forked child says that it has taken references of its own, in memory that it shares
/// with its parent. Until it did, the parent puts off its drops.
using AdoptionWord = std::atomic<std::uint32_t>;

/// The word for the next forks of this thread; null: none.
void expect_adoption_in(AdoptionWord* word) noexcept;

/// That child has ended, or was not born: the parent waits for it no longer. Called by the parent.
void forget_child(AdoptionWord& word) noexcept;

/// In a forked child: throws what kept it from taking references of its own, a MemoryError (or a
/// RuntimeError: too many processes). Handles must not be used then.
void require_adoption();
/// A child in a fresh image is about to learn of this process's objects by their names: until it
/// has called note_adopted, or forget_child was, this process's references stay. The word lies in
/// the arena and is never freed while this process lives.
void expect_adoption_by_message(AdoptionWord& word);

/// In that child: it has adopted all that it was told of.
void note_adopted(AdoptionWord& word, Serial parent) noexcept;

/// Whether there is a forked child without references of its own.
[[nodiscard]] bool children_depend_on_references() noexcept;

/// Drops this process's references at its orderly end; handles must not be used afterwards. If
/// children depend on them, they are left to be swept some time after the end.
void drop_all_references() noexcept;

}  // namespace multiprocessing::memory
