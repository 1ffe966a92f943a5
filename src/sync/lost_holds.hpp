// SPDX-License-Identifier: BSL-1.0
// Holds of a lock that were lost: a condition's wait() gave the lock up and could not take it back,
// for who held it meanwhile had died. Its OwnerDiedError may leave the scope of a guard, or of
// several; each releases once more, and has nothing to release. Without this account that would be
// an error thrown by a destructor, or another's hold released.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace multiprocessing::sync {

/// `Key`: whose hold, or of what. Guarded by whoever has it.
template <class Key> class LostHolds {
 public:
  [[nodiscard]] bool none() const noexcept { return count_ == 0; }

  /// So many levels are lost. Of very many the oldest is forgotten.
  void add(const Key& key, std::uint32_t levels) noexcept {
    forget(key);
    if (count_ == kMost) forget(entries_.front().key);
    entries_[count_++] = {key, levels, 0};
  }
  /// What is acquired after a loss is released before what was lost.
  void note_acquired(const Key& key) noexcept {
    if (Entry* const entry = find(key)) ++entry->acquired;
  }
  /// Whether a release is one of a lost hold: then there is nothing to do.
  [[nodiscard]] bool take_release(const Key& key) noexcept {
    Entry* const entry = find(key);
    if (entry == nullptr) return false;
    if (entry->acquired != 0) return --entry->acquired, false;
    if (--entry->levels == 0) forget(key);
    return true;
  }
  /// Forgets them and says how many levels were lost and not released.
  std::uint32_t take_all(const Key& key) noexcept {
    const Entry* const entry = find(key);
    const std::uint32_t levels = entry != nullptr ? entry->levels : 0;
    forget(key);
    return levels;
  }
  // By value: it may be that of an entry that moves.
  void forget(Key key) noexcept {
    Entry* const begin = entries_.data();
    count_ = static_cast<std::size_t>(
        std::remove_if(begin, begin + count_,
                       [&](const Entry& entry) { return entry.key == key; }) -
        begin);
  }

 private:
  static constexpr std::size_t kMost = 4;
  struct Entry {
    Key key{};
    std::uint32_t levels = 0;
    std::uint32_t acquired = 0;  // since, and not yet released
  };
  [[nodiscard]] Entry* find(const Key& key) noexcept {
    Entry* const end = entries_.data() + count_;
    Entry* const found =
        std::find_if(entries_.data(), end, [&](const Entry& entry) { return entry.key == key; });
    return found == end ? nullptr : found;
  }

  std::array<Entry, kMost> entries_{};
  std::size_t count_ = 0;
};

}  // namespace multiprocessing::sync
