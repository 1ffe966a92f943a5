// SPDX-License-Identifier: BSL-1.0
// The stack and the memo of the pickle machine.
//
// The machine memorises a container when it is empty, fills it, and refers to it later. An Object
// is a value, so a container is frozen as soon as a value that encloses it takes it off the stack,
// or when it is referred to. Being changed after that is what a container does that contains
// itself, and is refused.
//
// The memo only borrows what it refers to: whatever leaves the stack goes into a container, or is
// kept until the end.
//
// With each container it is known how deep it is nested, and its weight: how many values it has if
// each is counted as often as it can be reached, a long text as many as it has room for. A few
// bytes, each level of which refers twice to the one before, describe what no computer can print,
// send on, or hold as a C++ type. Hence the weight is bounded; and so is what the keys cost, which
// may be chosen to have one hash.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <multiprocessing/detail/object_access.hpp>
#include <new>
#include <utility>
#include <vector>

#include "wire/object_rep.hpp"
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
  /// Of a container, or of the values that are to be enclosed by one.
  struct Traits {
    std::uint64_t weight = 1;
    std::uint16_t depth = 1;
  };

  /// Which of some values are keys.
  enum class Keys : std::uint8_t { kNone, kAll, kEverySecond };

  explicit PickleStack(const PickleInput& in);
  PickleStack(const PickleStack&) = delete;
  PickleStack& operator=(const PickleStack&) = delete;
  ~PickleStack() { std::destroy(base_, top_); }

  /// The end of the stack in a variable of its own, which may be a register.
  class InHand {
   public:
    // NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): see PickleReader's constructor
    explicit InHand(PickleStack& stack) noexcept : stack_(stack), top_(stack.top_) {}
    InHand(const InHand&) = delete;
    InHand& operator=(const InHand&) = delete;
    ~InHand() { stack_.top_ = top_; }

    void push(Object value) {
      if (top_ == stack_.limit_) [[unlikely]]
        grow();
      ::new (top_) Object(std::move(value));
      ++top_;
    }
    void mark() { stack_.marks_.push_back(static_cast<std::size_t>(top_ - stack_.base_)); }

   private:
    void grow() {
      stack_.top_ = top_;
      stack_.grow();
      top_ = stack_.top_;
    }
    PickleStack& stack_;
    Object* top_;
  };

  void push(Object value) { InHand(*this).push(std::move(value)); }
  void push(Object container, Traits traits) {
    set(container, traits);
    push(std::move(container));
  }
  /// A str or bytes of as many bytes.
  void push_text(Object value, std::size_t size) {
    if (ObjectAccess::is_shared(value))
      set(value, {.weight = size > kLongText ? size / kBytesPerValue : 0, .depth = 0});
    push(std::move(value));
  }

  /// Where the values above the last mark begin; the mark is gone.
  std::size_t pop_mark() {
    if (marks_.empty()) [[unlikely]]
      fail_mark();
    const std::size_t from = marks_.back();
    marks_.pop_back();
    return from;
  }
  /// Where the last `n` values begin.  THROWS: if there are not so many above the last mark.
  std::size_t last(std::size_t n) const {
    if (size() - floor() < n) [[unlikely]]
      fail_empty();
    return size() - n;
  }

  /// Ends the values from `from` on: they are complete, and are going to be moved. Says what
  /// encloses them.
  Traits settle(std::size_t from, Keys keys) {
    Traits all{.weight = size() - from + 1, .depth = 1};
    key_weight_ = 1;
    for (Object* value = begin(from); value != end(); ++value) {
      if (ObjectAccess::is_special(*value)) [[unlikely]]
        settle_special(*value, static_cast<std::size_t>(value - begin(from)), keys, all);
    }
    if (all.depth > detail::kObjectDepthMax) [[unlikely]]
      fail_depth();
    return all;
  }
  [[nodiscard]] Object* begin(std::size_t from) noexcept { return base_ + from; }
  [[nodiscard]] Object* end() noexcept { return top_; }
  /// Takes off values that have been moved.
  void drop_moved(std::size_t from) noexcept { top_ = begin(from); }
  /// Takes off values, some of which may have gone nowhere.
  void retire(std::size_t from) {
    for (Object* value = begin(from); value != end(); ++value) {
      if (ObjectAccess::is_shared(*value)) [[unlikely]]
        retired_.push_back(std::move(*value));
    }
    top_ = begin(from);
  }

  /// The container below `from`, to be changed by adding what has these traits.
  template <class V> V& changed(std::size_t from, detail::ObjectKind kind, Traits added) {
    if (from <= floor()) [[unlikely]]
      fail_empty();
    Object& container = *begin(from - 1);
    if (container.kind() != kind) [[unlikely]]
      fail_kind(container);
    ObjectRep& rep = *ObjectAccess::rep(container);
    if ((rep.flags & ObjectRep::kFrozen) != 0) [[unlikely]]
      fail_frozen(container);
    rep.weight = weighed(rep.weight, added.weight);
    rep.depth = std::max(rep.depth, added.depth);
    return detail::value_of<V>(rep);  // nobody else has it
  }

  void push_callable(PickleCallable callable) {
    push(ObjectAccess::placeholder(static_cast<std::uint8_t>(callable)));
  }
  /// What the value at `position` is to be called as.
  PickleCallable callable_at(std::size_t position);

  void memorise() {
    const Object& value = *begin(last(1));
    if (ObjectAccess::is_shared(value)) note_memorised(value);
    memo_.emplace_back(value);
  }
  void memorise(std::size_t index);
  void recall(std::size_t index);
  /// What is memorised, if it is no container, long text or placeholder; else null.
  [[nodiscard]] const Object* memorised(std::size_t index) const noexcept {
    if (index >= memo_.size() || ObjectAccess::is_special(memo_[index].get())) return nullptr;
    return &memo_[index].get();
  }

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
  using ObjectAccess = detail::ObjectAccess;
  using ObjectRep = detail::ObjectRep;
  static constexpr std::size_t kLongText = 64;
  static constexpr std::size_t kBytesPerValue = 16;

  static void set(const Object& value, Traits to) noexcept {
    ObjectAccess::rep(value)->weight = to.weight;
    ObjectAccess::rep(value)->depth = to.depth;
  }
  std::uint64_t weighed(std::uint64_t weight, std::uint64_t more) const {
    if (weight + more > weight_max_) [[unlikely]]
      fail_weight();
    return weight + more;
  }
  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(top_ - base_); }
  [[nodiscard]] std::size_t floor() const noexcept { return marks_.empty() ? 0 : marks_.back(); }
  void settle_special(const Object& value, std::size_t at, Keys keys, Traits& all) {
    if (ObjectAccess::is_placeholder(value)) [[unlikely]]
      fail_callable();
    ObjectRep& rep = *ObjectAccess::rep(value);
    rep.flags |= ObjectRep::kFrozen;
    all.weight = weighed(all.weight, rep.weight);
    all.depth = std::max(all.depth, static_cast<std::uint16_t>(rep.depth + 1));
    const bool is_key = keys == Keys::kAll || (keys == Keys::kEverySecond && at % 2 == 0);
    if (is_key) {
      charge(rep.weight);
      key_weight_ = std::max(key_weight_, rep.weight);
    }
  }
  void grow();
  void note_memorised(const Object& value);
  [[noreturn]] void fail_empty() const;
  [[noreturn]] void fail_mark() const;
  [[noreturn]] void fail_kind(const Object& container) const;
  [[noreturn]] void fail_frozen(const Object& container) const;
  [[noreturn]] void fail_callable() const;
  [[noreturn]] void fail_depth() const;
  [[noreturn]] void fail_budget() const;
  [[noreturn]] void fail_weight() const;

  const PickleInput& in_;
  std::unique_ptr<std::byte[]> room_;  // from base_ to limit_
  Object* base_ = nullptr;
  Object* top_ = nullptr;
  Object* limit_ = nullptr;
  std::vector<std::size_t> marks_;
  std::vector<ObjectAccess::Borrowed> memo_;
  std::vector<Object> retired_;  // what the memo may refer to and nobody else does
  const std::uint64_t weight_max_;
  std::uint64_t budget_;          // for the work that the keys are
  std::uint64_t key_weight_ = 1;  // of the heaviest of the keys that were settled last
};

}  // namespace multiprocessing::wire
