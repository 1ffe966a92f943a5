// SPDX-License-Identifier: BSL-1.0
// The shared types that are no templates, by the names that Python's registry has for them, and
// those of Object, which every server knows.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <multiprocessing/detail/managers/dict.hpp>
#include <multiprocessing/detail/managers/list.hpp>
#include <multiprocessing/detail/managers/registered_callable.hpp>
#include <multiprocessing/detail/managers/set.hpp>
#include <multiprocessing/detail/managers/value.hpp>
#include <multiprocessing/detail/managers/waits.hpp>
#include <multiprocessing/errors.hpp>

#include "managers/locks.hpp"
#include "managers/pool_referent.hpp"
#include "managers/proxy_core.hpp"
#include "managers/queue_referent.hpp"
#include "managers/session.hpp"

namespace multiprocessing::managers {
namespace {

using detail::MethodName;
using detail::OrderedMap;
using detail::repr_of;
using detail::run_method;

class NamespaceReferent final : public Referent {
 public:
  /// Of pairs of a name and a value, or of a Python caller's keywords.
  explicit NamespaceReferent(ServerCall& call) {
    using Attributes = std::vector<std::pair<std::string, Object>>;
    for (auto& [name, value] : call.arg_or<Attributes>({})) set(name, std::move(value));
    if (call.keywords().is_none()) return;
    for (const auto& [name, value] : call.keywords().items()) set(name.as<std::string>(), value);
  }
  [[nodiscard]] std::string_view type_id() const override { return "Namespace"; }
  [[nodiscard]] std::span<const Method> methods() const override {
    using Self = NamespaceReferent;
    static constexpr Method kMethods[] = {
        {"__getattribute__", "name", run_method<Self, &Self::getattribute>},
        {"__setattr__", "name,value", run_method<Self, &Self::setattr>},
        {"__delattr__", "name", run_method<Self, &Self::delattr>},
        {"__contains__", "name", run_method<Self, &Self::contains>},
    };
    return kMethods;
  }
  [[nodiscard]] std::string print() const override {
    const std::lock_guard guard(mutex_);
    std::vector<std::string> all;
    for (const auto& [name, value] : attributes_) {
      if (!name.starts_with('_')) all.push_back(name + "=" + repr_of(value));
    }
    std::sort(all.begin(), all.end());
    std::string text = "Namespace(";
    for (std::size_t i = 0; i < all.size(); ++i) text += (i != 0 ? ", " : "") + all[i];
    return text + ")";
  }

 private:
  void set(const std::string& name, Object value) {
    const auto [place, is_new] = attributes_.emplace(name, value);
    if (!is_new) place->second = std::move(value);
  }
  auto existing(const std::string& name) {
    const auto found = attributes_.find(name);
    if (found == attributes_.end()) {
      throw AttributeError(fmt::format("'Namespace' object has no attribute '{}'", name));
    }
    return found;
  }
  void getattribute(ServerCall& call) {
    const auto name = call.arg<std::string>();
    const std::lock_guard guard(mutex_);
    call.reply<Object>(existing(name)->second);
  }
  void setattr(ServerCall& call) {
    const auto name = call.arg<std::string>();
    auto value = call.arg<Object>();
    const std::lock_guard guard(mutex_);
    set(name, std::move(value));
  }
  void delattr(ServerCall& call) {
    const auto name = call.arg<std::string>();
    const std::lock_guard guard(mutex_);
    attributes_.erase(existing(name));
  }
  void contains(ServerCall& call) {
    const auto name = call.arg<std::string>();
    const std::lock_guard guard(mutex_);
    call.reply(attributes_.find(name) != attributes_.end());
  }

  mutable std::mutex mutex_;
  OrderedMap<std::string, Object> attributes_;  // guarded by mutex_
};

std::shared_ptr<Referent> make_lock(ServerCall& /*call*/) {
  return std::make_shared<LockReferent>(Lock(), Of::kServer);
}
std::shared_ptr<Referent> make_rlock(ServerCall& /*call*/) {
  return std::make_shared<LockReferent>(RLock(), Of::kServer);
}
template <bool kBounded> std::shared_ptr<Referent> make_semaphore(ServerCall& call) {
  using Made = std::conditional_t<kBounded, BoundedSemaphore, Semaphore>;
  return std::make_shared<SemaphoreReferent>(Made(call.arg_or<int>(1)), Of::kServer);
}
std::shared_ptr<Referent> make_event(ServerCall& /*call*/) {
  return std::make_shared<EventReferent>(Event());
}
std::shared_ptr<Referent> make_condition(ServerCall& call) {
  if (!call.has_next()) {
    return std::make_shared<ConditionReferent>(
        std::make_shared<LockReferent>(RLock(), Of::kServer));
  }
  const auto lock = detail::referent_behind(call.arg<AutoProxy>());
  auto referent = std::dynamic_pointer_cast<LockReferent>(lock);
  if (referent == nullptr) throw TypeError("Condition: what was given is no lock of this manager");
  return std::make_shared<ConditionReferent>(std::move(referent));
}
std::shared_ptr<Referent> make_barrier(ServerCall& call) {
  const auto parties = call.arg<int>();
  // Python's action, which would have to be a function.
  if (!call.arg_or<Object>(nullptr).is_none()) {
    throw TypeError("Barrier: a manager's server runs no action");
  }
  return std::make_shared<BarrierReferent>(Barrier(parties, detail::timeout_of_wait(call)));
}
template <bool kJoinable> std::shared_ptr<Referent> make_queue(ServerCall& call) {
  // In Python both are of one type.
  return std::make_shared<QueueReferent>(call.arg_or<std::int64_t>(0), kJoinable || call.python());
}
std::shared_ptr<Referent> make_pool(ServerCall& call) {
  if (call.python()) throw TypeError("Pool: this server cannot run a Python program's functions");
  return std::make_shared<PoolReferent>(call);
}
template <class R> std::shared_ptr<Referent> make_of(ServerCall& call) {
  return std::make_shared<R>(call);
}

struct StandardType {
  MethodName name;
  std::shared_ptr<Referent> (*make)(ServerCall& call);
  const char* parameters = nullptr;  // their names in Python
};

constexpr StandardType kTypes[] = {
    {"Lock", make_lock},
    {"RLock", make_rlock},
    {"Semaphore", make_semaphore<false>, "value"},
    {"BoundedSemaphore", make_semaphore<true>, "value"},
    {"Event", make_event},
    {"Condition", make_condition, "lock"},
    {"Barrier", make_barrier, "parties,action,timeout"},
    {"Queue", make_queue<false>, "maxsize"},
    {"JoinableQueue", make_queue<true>, "maxsize"},
    {"Namespace", make_of<NamespaceReferent>},
    {"Pool", make_pool},
    {"dict", make_of<detail::DictReferent<OrderedMap<Object, Object>>>},
    {"list", make_of<detail::ListReferent<std::vector<Object>>>},
    {"set", make_of<detail::SetReferent<Object>>},
    {"Value", make_of<detail::ValueReferent<Object>>},
    {"Array", make_of<detail::ArrayReferent<Object>>},
};

// Those of Object are known to every server, whatever its program uses.
[[maybe_unused]] const void* const kKnown[] = {
    &detail::known_referent<detail::DictReferent<OrderedMap<Object, Object>>>,
    &detail::known_referent<detail::ListReferent<std::vector<Object>>>,
    &detail::known_referent<detail::SetReferent<Object>>,
    &detail::known_referent<detail::ValueReferent<Object>>,
    &detail::known_referent<detail::ArrayReferent<Object>>,
};

const StandardType* find_standard(std::uint32_t type_id) noexcept {
  const auto* const found =
      std::ranges::find(kTypes, type_id, [](const StandardType& type) { return type.name.hash; });
  return found != std::end(kTypes) ? found : nullptr;
}

}  // namespace

std::shared_ptr<Referent> make_standard(std::uint32_t type_id, ServerCall& call) {
  const StandardType* const type = find_standard(type_id);
  return type != nullptr ? type->make(call) : nullptr;
}

const char* parameters_of_standard(std::uint32_t type_id) noexcept {
  const StandardType* const type = find_standard(type_id);
  return type != nullptr ? type->parameters : nullptr;
}

}  // namespace multiprocessing::managers

namespace multiprocessing::detail {

std::shared_ptr<Referent> referent_of_object(const Object& object) {
  using Dict = OrderedMap<Object, Object>;
  if (object.kind() == Object::Kind::kDict) {
    Dict all;
    for (const auto& [key, item] : object.items()) all.emplace(key, item);
    return std::make_shared<DictReferent<Dict>>(Holder<Dict>(std::move(all)));
  }
  const bool is_list = object.kind() == Object::Kind::kList;
  if (!is_list && object.kind() != Object::Kind::kSet) {
    return std::make_shared<ValueReferent<Object>>(std::in_place, object);
  }
  std::vector<Object> all(object.begin(), object.end());
  if (!is_list) return std::make_shared<SetReferent<Object>>(std::move(all));
  return std::make_shared<ListReferent<std::vector<Object>>>(
      Holder<std::vector<Object>>(std::move(all)));
}

}  // namespace multiprocessing::detail
