// SPDX-License-Identifier: BSL-1.0
// The stack and the memo of the pickle machine.
//
// The machine memorises a container when it is empty, fills it, and refers to it later. An Object
// is a value, so the memo takes it when it is full: as soon as a value that encloses it takes it
// off the stack, or when it is referred to. Being changed after that is what a container does that
// contains itself, and is refused.
//
// Beside each container stands how deep it is nested, and its weight: how many values it has if
// each is counted as often as it can be reached, a long text as many as it has room for. A few
// bytes, each level of which refers twice to the one before, describe what no computer can print,
// send on, or hold as a C++ type. Hence the weight is bounded; and so is what the keys cost, which
// may be chosen to have one hash.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <multiprocessing/detail/object_access.hpp>
#include <utility>
#include <vector>

#include "wire/pickle_input.hpp"

namespace multiprocessing::wire {

/// What a pickle may name and call, all of which only make plain data.
enum class PickleCallable : std::uint8_t {
  kNone,
  kBytes,       // of nothing
  kByteArray,   // of bytes
  kSet,         // of a list
  kFrozenSet,   // of a list
  kEncodeText,  // of text, to Latin-1: bytes in protocol 2
};

class PickleStack {
 public:
  /// Of a container, of a long text, or of something to be called.
  struct Traits {
    std::uint64_t weight = 1;
    std::uint16_t depth = 0;
    bool frozen = false;  // referred to, hence not to be changed
    PickleCallable callable = PickleCallable::kNone;
  };

  /// Which of some values are keys.
  enum class Keys : std::uint8_t { kNone, kAll, kEverySecond };

  explicit PickleStack(const PickleInput& in);

  void push(Object value) { values_.push_back(std::move(value)); }
  void push(Object value, Traits traits);
  /// A str or bytes of as many bytes.
  void push_text(Object value, std::size_t size) {
    if (size > kLongText) [[unlikely]]
      push(std::move(value), {.weight = size / kBytesPerValue});
    else
      push(std::move(value));
  }

  void mark() { marks_.push_back(values_.size()); }
  /// Where the values above the last mark begin; the mark is gone.
  std::size_t pop_mark();
  /// Where the last `n` values begin.  THROWS: if there are not so many above the last mark.
  std::size_t last(std::size_t n) const {
    if (values_.size() - floor() < n) [[unlikely]]
      fail_empty();
    return values_.size() - n;
  }

  /// Ends the values from `from` on: they are complete, and are going to be moved. Says what
  /// encloses them.
  Traits settle(std::size_t from, Keys keys);
  [[nodiscard]] Object* begin(std::size_t from) noexcept { return values_.data() + from; }
  [[nodiscard]] Object* end() noexcept { return values_.data() + values_.size(); }
  void drop(std::size_t from) { values_.erase(at(from), values_.end()); }

  /// The container below `from`, to be changed by adding what has these traits.
  Object& changed(std::size_t from, detail::ObjectKind kind, Traits added);

  /// What the value at `position` is to be called as; it is gone then.
  PickleCallable take_callable(std::size_t position);

  void memorise(std::size_t index);
  void memorise() { memorise(memo_.size()); }
  void recall(std::size_t index);

  /// The one value at the end.
  Object result();

  /// Takes what the hash table did for a key that was settled last.
  void charge(const detail::HashCost& cost) { charge(cost.probes + cost.clashes * key_weight_); }
  void charge(std::uint64_t work) {
    if (work > budget_) [[unlikely]]
      fail_budget();
    budget_ -= work;
  }

 private:
  static constexpr std::uint32_t kNowhere = std::numeric_limits<std::uint32_t>::max();

  struct Nested {
    std::uint32_t position;
    std::uint32_t memo = kNowhere;  // to be put there when it is complete
    Traits traits;
  };
  struct Slot {
    Object value;
    std::uint32_t position = kNowhere;  // on the stack, while it is not complete
    bool nested = false;
    Traits traits;
  };

  static constexpr std::size_t kLongText = 64;
  static constexpr std::size_t kBytesPerValue = 16;

  void weigh(Traits& traits, std::uint64_t more) const {
    traits.weight += more;
    if (traits.weight > weight_max_) [[unlikely]]
      fail_weight();
  }
  [[nodiscard]] std::size_t floor() const noexcept { return marks_.empty() ? 0 : marks_.back(); }
  std::vector<Object>::iterator at(std::size_t position) {
    return values_.begin() + static_cast<std::ptrdiff_t>(position);
  }
  void complete(const Nested& nested);
  [[noreturn]] void fail_empty() const;
  [[noreturn]] void fail_callable() const;
  [[noreturn]] void fail_budget() const;
  [[noreturn]] void fail_weight() const;

  const PickleInput& in_;
  std::vector<Object> values_;
  std::vector<Nested> nested_;  // those of the values that have traits, in their order
  std::vector<std::size_t> marks_;
  std::vector<Slot> memo_;
  const std::uint64_t weight_max_;
  std::uint64_t budget_;          // for the work that the keys are
  std::uint64_t key_weight_ = 1;  // of the heaviest of the keys that were settled last
};

}  // namespace multiprocessing::wire
