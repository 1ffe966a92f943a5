// SPDX-License-Identifier: BSL-1.0
// Descriptors in messages that lie in the arena, which cannot hold them: in a queue, for instance.
//
// They are parked in the buffer of a socket that all processes of the tree hold, as packets that
// name an object. The object stands for them in the message and is treated as any other handle;
// with its last reference they are closed.
//
// packet := name:u64                  of the object's block; its descriptors ride on the packet
//
// Death, at any instruction:
//   before its message is put, or after it was taken: the object belongs to the dead, and is swept
//   with what else they left, its packet with it;
//   in the lock: the next one takes it over;
//   while a packet is removed, which turns the row round: one is in it twice, or without an object,
//   and a mark makes the next one who takes the lock remove it.
// Fork: none comes while a process has copies of what it moves in the row.
// Who waits at an end of a Pipe or a stream sweeps now and then and takes the lock if there is the
// mark (os/poll.hpp), for the other end may be parked.
//
// Limits: 400 packets at a time in the whole tree, of 253 descriptors each; the system counts those
// of a user who is not root against RLIMIT_NOFILE. What is beyond is an error.
#pragma once
#include <multiprocessing/detail/encoder.hpp>
#include <span>
#include <vector>

#include "memory/object.hpp"
#include "os/fd.hpp"

namespace multiprocessing::connection {

/// Parks copies of the descriptors; the handles go into the message, behind its own. THROWS:
/// std::system_error if there is no room (ENOBUFS, ETOOMANYREFS) or no socket (EBADF), MemoryError.
[[nodiscard]] std::vector<memory::Handle> park(std::span<const int> descriptors);

/// The same for a message that is being written, with the handles behind those that it has so far.
void park_descriptors_of(detail::Encoder& message);

/// Whether the object stands for descriptors.
[[nodiscard]] bool stands_for_descriptors(const memory::ObjectHeader& object) noexcept;

/// What a message's decoder needs: descriptors of this process's own for those among its handles
/// that stand for some. Closes what the decoder did not take.
class Unparked {
 public:
  /// THROWS: std::system_error (EMFILE, EBADF); then it may be tried again later.
  explicit Unparked(std::span<const memory::Handle> handles);
  Unparked(const Unparked&) = delete;
  Unparked& operator=(const Unparked&) = delete;
  ~Unparked();
  [[nodiscard]] std::span<int> descriptors() noexcept { return descriptors_; }

 private:
  std::vector<int> descriptors_;
};

}  // namespace multiprocessing::connection
