// SPDX-License-Identifier: BSL-1.0
#include <multiprocessing/detail/managers/shared_locks.hpp>
#include <unordered_map>

#include "managers/locks.hpp"
#include "os/anew_after_fork.hpp"

namespace multiprocessing::detail {
namespace {

using managers::Of;

// Of the process, not of a server: of two servers here, neither must take the other's hold for the
// program's.
constinit os::ForkMutex referents_mutex;
constinit os::AnewAfterFork<std::unordered_map<const void*, std::weak_ptr<Referent>>> referents;

// One for each shared object.
template <class Make> auto referent_of_object(const Handle& object, Make make) -> decltype(make()) {
  using Made = typename decltype(make())::element_type;
  const std::lock_guard guard(referents_mutex);
  auto& all = referents.get();
  if (const auto found = all.find(object.get()); found != all.end()) {
    if (auto referent = found->second.lock()) return std::static_pointer_cast<Made>(referent);
  }
  auto referent = make();
  std::erase_if(all, [](const auto& entry) { return entry.second.expired(); });
  all.insert_or_assign(object.get(), referent);
  return referent;
}

std::shared_ptr<managers::LockReferent> lock_referent(const AnyLock& lock) {
  return referent_of_object(HandleAccess::get(lock), [&] {
    return std::make_shared<managers::LockReferent>(lock, Of::kProgram);
  });
}

}  // namespace

bool run_as_holder(Referent& lock, const Caller& caller, const std::function<void()>& act) {
  return static_cast<managers::LockReferent&>(lock).try_as_holder(caller, act);
}

std::shared_ptr<Referent> referent_of_handle(const AnyLock& lock) { return lock_referent(lock); }

std::shared_ptr<Referent> referent_of_handle(const Semaphore& semaphore) {
  return referent_of_object(HandleAccess::get(semaphore), [&] {
    return std::make_shared<managers::SemaphoreReferent>(semaphore, Of::kProgram);
  });
}

std::shared_ptr<Referent> referent_of_handle(const Event& event) {
  return std::make_shared<managers::EventReferent>(event);
}

std::shared_ptr<Referent> referent_of_handle(const Condition& condition) {
  return std::make_shared<managers::ConditionReferent>(
      condition, lock_referent(managers::ConditionReferent::lock_of(condition)));
}

std::shared_ptr<Referent> referent_of_handle(const Barrier& barrier) {
  return std::make_shared<managers::BarrierReferent>(barrier);
}

}  // namespace multiprocessing::detail
