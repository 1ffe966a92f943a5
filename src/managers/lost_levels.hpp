// SPDX-License-Identifier: BSL-1.0
// Holds of a managed lock that were lost in a condition's wait(), by client and thread; see
// sync/lost_holds.hpp for what they are for. Here many may lose theirs at once.
#pragma once
#include <cstdint>
#include <map>
#include <utility>

namespace multiprocessing::managers {

/// Guarded by whoever has it.
class LostLevels {
 public:
  using Holder = std::pair<std::uint64_t, std::uint32_t>;  ///< a client's id, and the thread

  /// So that lose() needs no memory. THROWS: std::bad_alloc.
  void prepare(const Holder& holder) { entries_.try_emplace(holder); }
  /// It has not lost any after all.
  void keep(const Holder& holder) noexcept {
    const auto entry = entries_.find(holder);
    if (entry != entries_.end() && entry->second.levels == 0) entries_.erase(entry);
  }
  /// What it had acquired since an earlier loss is lost with the rest.
  void lose(const Holder& holder, std::uint32_t levels) noexcept {
    const auto entry = entries_.find(holder);
    if (entry == entries_.end()) return;
    entry->second.levels += levels;
    entry->second.acquired = 0;
    keep(holder);
  }
  /// What is acquired after a loss is released before what was lost.
  void note_acquired(const Holder& holder) noexcept {
    const auto entry = entries_.find(holder);
    if (entry != entries_.end()) ++entry->second.acquired;
  }
  /// Whether a release is one of a lost hold: then there is nothing to do.
  [[nodiscard]] bool take_release(const Holder& holder) noexcept {
    const auto entry = entries_.find(holder);
    if (entry == entries_.end()) return false;
    if (entry->second.acquired != 0) return --entry->second.acquired, false;
    if (--entry->second.levels == 0) entries_.erase(entry);
    return true;
  }
  void forget_client(std::uint64_t client) noexcept {
    std::erase_if(entries_, [&](const auto& entry) { return entry.first.first == client; });
  }

 private:
  struct Entry {
    std::uint32_t levels = 0;
    std::uint32_t acquired = 0;  // since, and not yet released
  };
  std::map<Holder, Entry> entries_;
};

}  // namespace multiprocessing::managers
