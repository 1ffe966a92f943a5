// SPDX-License-Identifier: BSL-1.0
// What was received of a stream beyond the end of a frame: a frame takes one system call then.
//
// Only as long as nobody else looks at the descriptor: it was made here, has been sent nowhere,
// nobody asked for its number or sleeps at it, and this process has not forked since. Others would
// wait there for what is no longer in it. What had been read by then lies in the arena, for
// whoever receives next.
//
// Processes take turns in receiving, as they have to with a stream. Death: what is taken leaves in
// one step, when the frame is complete; only a process that shares the stream with nobody adds.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "memory/object.hpp"

namespace multiprocessing::connection {

class ReadAhead {
 public:
  static constexpr std::size_t kBytes = 1000;

  /// For a descriptor that this process alone has. THROWS: MemoryError.
  [[nodiscard]] static ReadAhead of_own_descriptor();
  /// For one that others have too, with what share() gave to them.
  explicit ReadAhead(memory::Handle shared = {}) noexcept;

  /// Whether the descriptor was made here, or in another process of this program.
  [[nodiscard]] bool own_descriptor() const noexcept { return static_cast<bool>(state_); }
  /// Others are about to have the descriptor; what they need for that.
  const memory::Handle& share() noexcept;
  /// Somebody is about to sleep at the descriptor. True: for the moment, bytes may be taken out of
  /// it that wake nobody; look again soon.
  [[nodiscard]] bool begin_wait() noexcept;

  [[nodiscard]] bool empty() const noexcept;

  /// One frame, to be received.
  class Turn {
   public:
    /// Finds what was read ahead. REQUIRES: one at a time.
    explicit Turn(ReadAhead& ahead) noexcept;
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn();

    /// Whether there is nothing and more than the frame may be received: into room().
    [[nodiscard]] bool reads_ahead() const noexcept { return reads_ahead_; }
    [[nodiscard]] std::span<std::byte> room() noexcept { return bytes_; }
    void received(std::size_t bytes) noexcept { size_ = bytes; }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
      return std::span(bytes_).first(size_);
    }
    /// The frame is complete; `rest`, the last of bytes(), is for the next one.
    void end(std::span<const std::byte> rest) noexcept;

   private:
    ReadAhead& ahead_;
    bool reads_ahead_ = false;
    std::size_t size_ = 0;
    std::array<std::byte, kBytes> bytes_;  // filled as far as size_ says
  };

 private:
  struct State : memory::ObjectHeader {
    static constexpr memory::ObjectKind kKind = memory::ObjectKind::kNone;  // owns nothing
    std::atomic<std::uint32_t> range{0};                                    // begin:16 end:16
    std::atomic<bool> shared{false};
    std::atomic<bool> reading{false};  // ahead; a killed process may leave it
    std::array<std::byte, kBytes> bytes;
  };
  struct Range {
    std::uint32_t begin, end;
  };

  [[nodiscard]] State& state() const noexcept {
    return static_cast<State&>(state_.as<memory::ObjectHeader>());
  }
  [[nodiscard]] Range range() const noexcept;
  void set(Range range) noexcept;

  memory::Handle state_;
  std::uint32_t forks_;  // os::fork_count() at the beginning
};

}  // namespace multiprocessing::connection
