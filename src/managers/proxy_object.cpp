// SPDX-License-Identifier: BSL-1.0
#include "managers/proxy_object.hpp"

#include <functional>
#include <multiprocessing/errors.hpp>
#include <utility>

#include "managers/proxy_core.hpp"

namespace multiprocessing::managers {
namespace {

/// Not the bytes that the proxy travels as: each journey takes a reference of its own.
class HeldProxy final : public detail::HeldHandle {
 public:
  explicit HeldProxy(BaseProxy proxy)
      : HeldHandle(Form::kProxy),
        proxy_(std::move(proxy)),
        type_name_(class_name(core().type_id)) {}

  [[nodiscard]] const char* type_name() const noexcept override { return type_name_.c_str(); }
  [[nodiscard]] std::string repr() const override { return proxy_.repr(); }
  [[nodiscard]] std::string str() const override { return proxy_.str(); }
  [[nodiscard]] bool same_as(const HeldHandle& other) const noexcept override {
    return other.form() == form() && static_cast<const HeldProxy&>(other).proxy_ == proxy_;
  }
  [[nodiscard]] std::size_t hash() const noexcept override {
    return std::hash<Ident>()(core().ident) ^ std::hash<std::string>()(core().python_id);
  }
  void encode(detail::Encoder& out) const override { detail::encode_proxy(out, proxy_); }

  [[nodiscard]] const std::shared_ptr<const ProxyCore>& pointer() const noexcept {
    return detail::ProxyAccess::core(proxy_);
  }
  [[nodiscard]] const ProxyCore& core() const noexcept { return *pointer(); }

 private:
  BaseProxy proxy_;
  std::string type_name_;
};

}  // namespace

detail::HeldPointer decode_held_proxy(detail::Decoder& in) {
  return std::make_unique<const HeldProxy>(
      detail::ProxyAccess::make<BaseProxy>(detail::decode_proxy(in)));
}

}  // namespace multiprocessing::managers

namespace multiprocessing::detail {

Object make_proxy_object(const BaseProxy& proxy) {
  if (ProxyAccess::core(proxy) == nullptr) {
    throw ValueError("a proxy that names nothing cannot be in an Object");
  }
  return ObjectAccess::make(std::make_unique<const managers::HeldProxy>(proxy));
}

namespace {

// A class of proxies can be of what its derived classes can be of, too.
bool fits(const managers::ProxyCore& core, std::string_view type_id) {
  return type_id.empty() || !core.python_id.empty() || core.type_id == type_id ||
         (type_id == "Queue" && core.type_id == "JoinableQueue") ||
         (type_id == "Semaphore" && core.type_id == "BoundedSemaphore");
}

}  // namespace

std::shared_ptr<const managers::ProxyCore> required_type(
    std::shared_ptr<const managers::ProxyCore> core, std::string_view type_id) {
  if (fits(*core, type_id)) return core;
  throw TypeError(fmt::format("a {} cannot be of a {}, which is what the server has",
                              managers::class_name(std::string(type_id)), core->type_id));
}

std::shared_ptr<const managers::ProxyCore> proxy_in(const Object& o, std::string_view type_id) {
  if (o.kind() != ObjectKind::kHandle) return nullptr;
  const HeldHandle& held = ObjectAccess::handle(o);
  if (held.form() != HeldHandle::Form::kProxy) return nullptr;
  const auto& proxy = static_cast<const managers::HeldProxy&>(held);
  return fits(proxy.core(), type_id) ? proxy.pointer() : nullptr;
}

}  // namespace multiprocessing::detail
