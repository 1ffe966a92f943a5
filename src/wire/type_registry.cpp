// SPDX-License-Identifier: BSL-1.0
#include "wire/type_registry.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <multiprocessing/errors.hpp>
#include <mutex>

namespace multiprocessing::detail {

// A list threaded through the entries themselves: static initialisers of any unit add to it, before
// main and in any order, so it has to be there from the start and to allocate nothing.
struct KnownTypes {
  static void add(KnownType& type) {
    const std::lock_guard guard(mutex);
    type.next_ = first;
    if (first != nullptr) first->previous_ = &type;
    first = &type;
  }

  static void remove(KnownType& type) {
    const std::lock_guard guard(mutex);
    (type.previous_ != nullptr ? type.previous_->next_ : first) = type.next_;
    if (type.next_ != nullptr) type.next_->previous_ = type.previous_;
  }

  static KnownType::Say find_name(Fingerprint fingerprint) {
    const KnownType* type = find(fingerprint);
    return type != nullptr ? type->name_ : nullptr;
  }

  static KnownType::Say find_structure(Fingerprint fingerprint) {
    const KnownType* type = find(fingerprint);
    return type != nullptr ? type->structure_ : nullptr;
  }

  // A fork while another thread holds it would leave it locked in the child for ever.
  static void lock_for_fork() { mutex.lock(); }
  static void unlock_after_fork() { mutex.unlock(); }

 private:
  static const KnownType* find(Fingerprint fingerprint) {
    const std::lock_guard guard(mutex);
    const KnownType* type = first;
    while (type != nullptr && type->fingerprint_ != fingerprint) type = type->next_;
    return type;
  }

  static constinit inline std::mutex mutex;
  static constinit inline KnownType* first = nullptr;  // guarded by mutex
};

namespace {
[[maybe_unused]] const int kForkSafe = pthread_atfork(
    &KnownTypes::lock_for_fork, &KnownTypes::unlock_after_fork, &KnownTypes::unlock_after_fork);
}  // namespace

KnownType::KnownType(Fingerprint fingerprint, Say name, Say structure)
    : fingerprint_(fingerprint), name_(name), structure_(structure) {
  KnownTypes::add(*this);
}

KnownType::~KnownType() { KnownTypes::remove(*this); }

void fail_other_type(Fingerprint sent, const std::string& wanted) {
  throw TypeError(fmt::format("cannot receive a message as {}: it holds {}. Ask for that type",
                              wanted, wire::name_of(sent)));
}

}  // namespace multiprocessing::detail

namespace multiprocessing::wire {

std::string name_of(detail::Fingerprint type) {
  if (auto name = known_name_of(type)) return *std::move(name);
  return fmt::format("a type that this process does not know ({:08x})", type);
}

std::optional<std::string> known_name_of(detail::Fingerprint type) {
  const detail::KnownType::Say say = detail::KnownTypes::find_name(type);
  if (say == nullptr) return std::nullopt;
  return say();
}

std::optional<std::string> structure_of(detail::Fingerprint type) {
  const detail::KnownType::Say say = detail::KnownTypes::find_structure(type);
  if (say == nullptr) return std::nullopt;
  return say();
}

}  // namespace multiprocessing::wire
