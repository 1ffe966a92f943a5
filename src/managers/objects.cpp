// SPDX-License-Identifier: BSL-1.0
#include "managers/objects.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <multiprocessing/errors.hpp>
#include <new>

#include "os/clock.hpp"

namespace multiprocessing::managers {
namespace {

// How long a reference that is under way may take to arrive at somebody outside the tree.
constexpr std::int64_t kUnderWayNs = 60'000'000'000;
constexpr std::size_t kDescribedBytes = 75;

// One after the other, also where each refers to the next: a chain of them needs no stack.
void end(std::shared_ptr<detail::Referent> referent) {
  using Ending = std::vector<std::shared_ptr<detail::Referent>>;
  static thread_local Ending* ending = nullptr;
  if (ending != nullptr) {
    try {
      ending->push_back(std::move(referent));
    } catch (const std::bad_alloc&) {
      // Then on the stack, where `referent` ends here.
    }
    return;
  }
  Ending others;
  ending = &others;
  referent.reset();
  while (!others.empty()) {
    const auto next = std::move(others.back());
    others.pop_back();
  }
  ending = nullptr;
}

}  // namespace

Ident Objects::retain(const std::shared_ptr<detail::Referent>& referent) {
  const std::lock_guard guard(mutex_);
  const auto [number, is_new] = numbers_.emplace(referent.get(), next_ + 1);
  if (is_new) {
    ++next_;
    entries_.emplace(number->second, Entry{referent, 0});
  }
  ++entries_.at(number->second).references;
  return number->second;
}

std::shared_ptr<detail::Referent> Objects::find(Ident ident) {
  const std::lock_guard guard(mutex_);
  const auto found = entries_.find(ident);
  return found == entries_.end() ? nullptr : found->second.referent;
}

bool Objects::retain(Ident ident) {
  const std::lock_guard guard(mutex_);
  const auto found = entries_.find(ident);
  if (found == entries_.end()) return false;
  ++found->second.references;
  return true;
}

void Objects::release(Ident ident, std::size_t times) {
  std::shared_ptr<detail::Referent> ended;
  {
    const std::lock_guard guard(mutex_);
    const auto found = entries_.find(ident);
    if (found == entries_.end()) return;
    Entry& entry = found->second;
    entry.references -= std::min(entry.references, times);
    if (entry.references != 0) return;
    ended = std::move(entry.referent);
    numbers_.erase(ended.get());
    entries_.erase(found);
  }
  end(std::move(ended));
}

bool Objects::keep_for_a_while(Ident ident) {
  if (!retain(ident)) return false;
  const std::lock_guard guard(mutex_);
  kept_.push_back({os::now_ns() + kUnderWayNs, ident});
  return true;
}

Handle Objects::issue_ticket(Ident ident) {
  const std::lock_guard guard(mutex_);
  return office_.issue(ident);
}

void Objects::collect() {
  std::vector<Ident> ended;
  {
    const std::lock_guard guard(mutex_);
    ended = office_.collect();
    const std::int64_t now = os::now_ns();
    for (; !kept_.empty() && kept_.front().until_ns <= now; kept_.pop_front()) {
      ended.push_back(kept_.front().ident);
    }
  }
  for (const Ident ident : ended) release(ident);
}

std::size_t Objects::count() {
  const std::lock_guard guard(mutex_);
  return entries_.size();
}

std::string Objects::describe() {
  std::vector<std::pair<Ident, Entry>> all;
  {
    const std::lock_guard guard(mutex_);
    all.assign(entries_.begin(), entries_.end());
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string text;
  for (const auto& [ident, entry] : all) {
    text += fmt::format("{}  {:x}:       refcount={}\n    {}", text.empty() ? "" : "\n", ident,
                        entry.references, entry.referent->print().substr(0, kDescribedBytes));
  }
  return text;
}

void Objects::clear() {
  decltype(entries_) entries;
  const std::lock_guard guard(mutex_);
  entries.swap(entries_);
  numbers_.clear();
}

}  // namespace multiprocessing::managers
