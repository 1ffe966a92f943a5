// SPDX-License-Identifier: BSL-1.0
// How long to look aside before the first look for messages.
//
// Each look takes the cache line from the other side, which then is as slow as the line travels. In
// a stream of messages it is quicker to look aside until some have gathered: of long ones a few, as
// one whose lines are still in the nearest cache of who wrote them takes twice as long to read.
// Where only one comes at a time that would be a delay for nothing. Which it is, a trial now and
// then tells.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>

namespace multiprocessing::os {

/// One for each process and side. Threads: races only make it a little longer or shorter.
class Aside {
 public:
  Aside() noexcept = default;
  /// For so many rounds of some 50 ns at the most, or until so many long messages can be there.
  Aside(std::uint32_t most_rounds, std::uint32_t most_messages) noexcept
      : most_rounds_(most_rounds), most_messages_(most_messages) {}

  /// Where each message takes long to come: how many rounds. Those that come within one need no
  /// word.
  void each_takes(std::uint32_t rounds) noexcept { set(each_, std::max<std::uint32_t>(rounds, 1)); }

  /// One wait for messages.
  struct Wait {
    std::uint32_t messages;  ///< that may gather
    std::uint32_t each;

    [[nodiscard]] std::uint32_t rounds() const noexcept { return messages * each; }
  };
  [[nodiscard]] Wait begin() noexcept {
    const std::uint32_t each = each_.load(std::memory_order_relaxed);
    const std::uint32_t most = most_with(each);
    if (most < kTrial) return {0, each};
    const std::uint32_t known = std::min(messages_.load(std::memory_order_relaxed), most);
    if (known != 0) return {known, each};
    const std::uint32_t waits = waits_.load(std::memory_order_relaxed);
    set(waits_, waits + 1);
    return {waits % kWaitsToTry == kWaitsToTry - 1 ? kTrial : 0, each};
  }
  /// How many the first look found that found any.
  void end(const Wait& wait, std::uint32_t found) noexcept {
    const bool good = found >= (wait.each == 1 ? kGoodBatch : kGoodBatchOfLong);
    set(messages_,
        wait.messages != 0 && good ? std::min(wait.messages + 1, most_with(wait.each)) : 0);
  }

 private:
  static constexpr std::uint32_t kTrial = 2;
  static constexpr std::uint32_t kWaitsToTry = 32;
  static constexpr std::uint32_t kGoodBatch = 3;
  static constexpr std::uint32_t kGoodBatchOfLong = 2;
  // With the CPU left to others in between, some 16 us: what falling asleep and waking may cost.
  static constexpr std::uint32_t kMostRounds = 160;

  [[nodiscard]] std::uint32_t most_with(std::uint32_t each) const noexcept {
    return each == 1 ? most_rounds_ : std::min(most_messages_, kMostRounds / each);
  }
  static void set(std::atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
    if (value != word.load(std::memory_order_relaxed)) word.store(value, std::memory_order_relaxed);
  }

  const std::uint32_t most_rounds_ = 8;
  const std::uint32_t most_messages_ = 0;
  std::atomic<std::uint32_t> messages_{0};
  std::atomic<std::uint32_t> each_{1};
  std::atomic<std::uint32_t> waits_{0};
};

}  // namespace multiprocessing::os
