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

void PickleStack::grow() {
  const std::size_t n = size();
  // At first as many as it is likely to have, if it is short.
  const std::size_t more = n != 0 ? 2 * n : std::clamp<std::size_t>(in_.size() / 4, 16, 2048);
  auto room = std::make_unique_for_overwrite<std::byte[]>(more * sizeof(Object));
  auto* const base = reinterpret_cast<Object*>(room.get());
  std::uninitialized_move(base_, top_, base);
  std::destroy(base_, top_);
  room_ = std::move(room);
  base_ = base;
  top_ = base + n;
  limit_ = base + more;
}

PickleCallable PickleStack::callable_at(std::size_t position) {
  const Object& value = *begin(position);
  if (!ObjectAccess::is_placeholder(value))
    in_.fail(fmt::format("a value of type {} is to be called", value.type_name()));
  return static_cast<PickleCallable>(ObjectAccess::number<std::uint64_t>(value));
}

void PickleStack::note_memorised(const Object& value) {
  ObjectRep& rep = *ObjectAccess::rep(value);
  if (rep.flags == ObjectRep::kMemorised && can_change(value))
    in_.fail("a value is memorised twice");
  rep.flags |= ObjectRep::kMemorised;
}

void PickleStack::memorise(std::size_t index) {
  // CPython counts them from 0. Anything else could ask for any amount of memory.
  if (index > memo_.size())
    in_.fail(fmt::format("value {} is memorised and there are {}", index, memo_.size()));
  if (index == memo_.size()) return memorise();
  const Object& before = memo_[index].get();
  if (can_change(before) && (ObjectAccess::rep(before)->flags & ObjectRep::kFrozen) == 0)
    in_.fail("a value is memorised in the place of another");
  memorise();
  std::swap(memo_[index], memo_.back());
  memo_.pop_back();
}

void PickleStack::recall(std::size_t index) {
  if (index >= memo_.size())
    in_.fail(fmt::format("value {} is referred to and {} are memorised", index, memo_.size()));
  const Object& value = memo_[index].get();
  if (ObjectAccess::is_shared(value)) ObjectAccess::rep(value)->flags |= ObjectRep::kFrozen;
  push(value);
}

Object PickleStack::result() {
  if (size() != 1 || !marks_.empty())
    in_.fail(fmt::format("{} values are left at its end instead of one", size()));
  if (ObjectAccess::is_placeholder(*base_)) fail_callable();
  return std::move(*base_);
}

void PickleStack::fail_mark() const { in_.fail("there is no MARK"); }

void PickleStack::fail_kind(const Object& container) const {
  in_.fail(
      fmt::format("what is meant for another type is to be added to a {}", container.type_name()));
}

void PickleStack::fail_frozen(const Object& container) const {
  in_.fail(
      fmt::format("a {} contains itself, or is changed after it was referred to; an Object "
                  "is a value and cannot",
                  container.type_name()));
}

void PickleStack::fail_empty() const { in_.fail("an operation takes more values than there are"); }

void PickleStack::fail_callable() const {
  in_.fail("a function or class stands where a value is expected");
}

void PickleStack::fail_depth() const {
  in_.fail(fmt::format("it is nested more than {} levels deep", detail::kObjectDepthMax));
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
