// SPDX-License-Identifier: BSL-1.0
#include "connection/read_ahead.hpp"

#include <algorithm>
#include <utility>

#include "os/fork_mutex.hpp"

namespace multiprocessing::connection {

ReadAhead::ReadAhead(memory::Handle shared) noexcept
    : state_(std::move(shared)), forks_(os::fork_count()) {}

ReadAhead ReadAhead::of_own_descriptor() { return ReadAhead(memory::make_object<State>()); }

const memory::Handle& ReadAhead::share() noexcept {
  if (state_) state().shared.store(true);
  return state_;
}

// Either this sees who reads ahead, or they see that it is shared.
bool ReadAhead::begin_wait() noexcept {
  if (!state_) return false;
  state().shared.store(true);
  return state().reading.load();
}

// acquire, release: whose turn it is sees the bytes that were kept before.
ReadAhead::Range ReadAhead::range() const noexcept {
  if (!state_) return {0, 0};
  const std::uint32_t range = state().range.load(std::memory_order_acquire);
  return {range >> 16, range & 0xffff};
}

void ReadAhead::set(Range range) noexcept {
  state().range.store(range.begin << 16 | range.end, std::memory_order_release);
}

bool ReadAhead::empty() const noexcept {
  const auto [begin, end] = range();
  return begin == end;
}

ReadAhead::Turn::Turn(ReadAhead& ahead) noexcept : ahead_(ahead) {
  const auto [begin, end] = ahead.range();
  size_ = end - begin;
  if (size_ != 0) {
    std::copy_n(ahead.state().bytes.begin() + begin, size_, bytes_.begin());
  } else if (ahead.state_ && !ahead.state().shared.load() && ahead.forks_ == os::fork_count()) {
    ahead.state().reading.store(true);
    reads_ahead_ = !ahead.state().shared.load();
    if (!reads_ahead_) ahead.state().reading.store(false);
  }
}

ReadAhead::Turn::~Turn() {
  if (reads_ahead_) ahead_.state().reading.store(false);
}

void ReadAhead::Turn::end(std::span<const std::byte> rest) noexcept {
  if (reads_ahead_ && !rest.empty()) {
    std::copy(rest.begin(), rest.end(), ahead_.state().bytes.begin());
    ahead_.set({0, static_cast<std::uint32_t>(rest.size())});
  } else if (!reads_ahead_ && size_ != 0) {
    const auto [begin, end] = ahead_.range();
    ahead_.set({end - static_cast<std::uint32_t>(rest.size()), end});
  }
}

}  // namespace multiprocessing::connection
