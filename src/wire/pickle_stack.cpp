// SPDX-License-Identifier: BSL-1.0
#include "wire/pickle_stack.hpp"

#include <fmt/format.h>

#include "wire/object_rep.hpp"

namespace multiprocessing::wire {

using detail::ObjectKind;

namespace {

// What the keys may cost: those that occur once and are nested as deep as it goes stay below.
constexpr std::uint64_t kBudget = 1 << 20;
constexpr std::uint64_t kBudgetPerByte = 16;

// Values that are not referred to have fewer than one for a byte.
constexpr std::uint64_t kWeightMax = 1 << 24;
constexpr std::uint64_t kWeightPerByte = 16;

bool can_change(const Object& o) {
  return o.kind() == ObjectKind::kList || o.kind() == ObjectKind::kDict ||
         o.kind() == ObjectKind::kSet;
}

}  // namespace

PickleStack::PickleStack(const PickleInput& in)
    : in_(in),
      weight_max_(kWeightMax + kWeightPerByte * in.size()),
      budget_(kBudget + kBudgetPerByte * in.size()) {}

void PickleStack::push(Object value, Traits traits) {
  if (values_.size() >= kNowhere) in_.fail("it has more values at once than can be counted");
  nested_.push_back({.position = static_cast<std::uint32_t>(values_.size()), .traits = traits});
  values_.push_back(std::move(value));
}

std::size_t PickleStack::pop_mark() {
  if (marks_.empty()) in_.fail("there is no MARK");
  const std::size_t from = marks_.back();
  marks_.pop_back();
  return from;
}

PickleStack::Traits PickleStack::settle(std::size_t from, Keys keys) {
  Traits all{.weight = values_.size() - from + 1, .depth = 1};
  key_weight_ = 1;
  for (; !nested_.empty() && nested_.back().position >= from; nested_.pop_back()) {
    const Nested& nested = nested_.back();
    if (nested.traits.callable != PickleCallable::kNone) fail_callable();
    if (nested.memo != kNowhere) complete(nested);
    weigh(all, nested.traits.weight);
    all.depth = std::max(all.depth, static_cast<std::uint16_t>(nested.traits.depth + 1));
    const bool is_key =
        keys == Keys::kAll || (keys == Keys::kEverySecond && (nested.position - from) % 2 == 0);
    if (is_key) {
      charge(nested.traits.weight);
      key_weight_ = std::max(key_weight_, nested.traits.weight);
    }
  }
  if (all.depth > detail::kObjectDepthMax)
    in_.fail(fmt::format("it is nested more than {} levels deep", detail::kObjectDepthMax));
  return all;
}

void PickleStack::complete(const Nested& nested) {
  Slot& slot = memo_[nested.memo];
  slot = {.value = values_[nested.position], .nested = true, .traits = nested.traits};
  slot.traits.frozen = true;
}

Object& PickleStack::changed(std::size_t from, ObjectKind kind, Traits added) {
  if (from <= floor()) fail_empty();
  Object& container = values_[from - 1];
  if (container.kind() != kind || nested_.empty() || nested_.back().position != from - 1)
    in_.fail(fmt::format("what is meant for another type is to be added to a {}",
                         container.type_name()));
  Traits& traits = nested_.back().traits;
  if (traits.frozen) {
    in_.fail(
        fmt::format("a {} contains itself, or is changed after it was referred to; an Object "
                    "is a value and cannot",
                    container.type_name()));
  }
  weigh(traits, added.weight);
  traits.depth = std::max(traits.depth, added.depth);
  return container;
}

PickleCallable PickleStack::take_callable(std::size_t position) {
  if (nested_.empty() || nested_.back().position != position ||
      nested_.back().traits.callable == PickleCallable::kNone)
    in_.fail(fmt::format("a value of type {} is to be called", values_[position].type_name()));
  const PickleCallable callable = nested_.back().traits.callable;
  nested_.pop_back();
  return callable;
}

void PickleStack::memorise(std::size_t index) {
  const std::size_t position = last(1);
  // CPython counts them from 0. Anything else could ask for any amount of memory.
  if (index > memo_.size())
    in_.fail(fmt::format("value {} is memorised and there are {}", index, memo_.size()));
  if (index >= kNowhere) in_.fail("it memorises more values than can be counted");
  if (index == memo_.size()) memo_.emplace_back();
  Slot& slot = memo_[index];
  if (slot.position != kNowhere) in_.fail("a value is memorised in the place of another");
  const bool nested = !nested_.empty() && nested_.back().position == position;
  if (!nested) {
    slot = {.value = values_[position], .traits = {}};
  } else if (can_change(values_[position]) && !nested_.back().traits.frozen &&
             nested_.back().memo == kNowhere) {
    nested_.back().memo = static_cast<std::uint32_t>(index);
    slot = {.value = {},
            .position = static_cast<std::uint32_t>(position),
            .nested = true,
            .traits = {}};
  } else {
    if (nested_.back().memo != kNowhere) in_.fail("a value is memorised twice");
    slot = {.value = values_[position], .nested = true, .traits = nested_.back().traits};
  }
}

void PickleStack::recall(std::size_t index) {
  if (index >= memo_.size())
    in_.fail(fmt::format("value {} is referred to and {} are memorised", index, memo_.size()));
  if (memo_[index].position != kNowhere) {
    const auto found =
        std::ranges::lower_bound(nested_, memo_[index].position, {}, &Nested::position);
    complete(*found);
    found->traits.frozen = true;
    found->memo = kNowhere;
  }
  const Slot& slot = memo_[index];
  if (slot.nested)
    push(slot.value, slot.traits);
  else
    push(slot.value);
}

Object PickleStack::result() {
  if (values_.size() != 1 || !marks_.empty())
    in_.fail(fmt::format("{} values are left at its end instead of one", values_.size()));
  if (!nested_.empty() && nested_.back().traits.callable != PickleCallable::kNone) fail_callable();
  return std::move(values_.front());
}

void PickleStack::fail_empty() const { in_.fail("an operation takes more values than there are"); }

void PickleStack::fail_callable() const {
  in_.fail("a function or class stands where a value is expected");
}

void PickleStack::fail_budget() const {
  in_.fail("its keys refer to each other, or have the same hash, so often that they take too long");
}

void PickleStack::fail_weight() const {
  in_.fail(
      fmt::format("it refers to its values so often that it would be more than {} values by itself",
                  weight_max_));
}

}  // namespace multiprocessing::wire
