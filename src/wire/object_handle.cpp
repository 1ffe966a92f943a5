// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <atomic>
#include <functional>
#include <multiprocessing/detail/object_handle.hpp>
#include <multiprocessing/errors.hpp>
#include <new>
#include <string>
#include <string_view>

#include "wire/type_registry.hpp"

namespace multiprocessing::detail {
namespace {

constinit ProxyDecoder proxy_decoder = nullptr;

// The names that were asked for, which stay where they are: not more than types in the program,
// save for what several threads add at once. A list, so that a fork at any moment leaves the child
// a whole one.
struct TypeName {
  Fingerprint type;
  std::string text;
  const TypeName* next;
};
constinit std::atomic<const TypeName*> first_name = nullptr;

// "Queue<int>".
const char* type_name_of(Fingerprint type) noexcept {
  constexpr std::string_view kNamespace = "multiprocessing::";
  for (const TypeName* name = first_name.load(); name != nullptr; name = name->next) {
    if (name->type == type) return name->text.c_str();
  }
  try {
    auto text = wire::known_name_of(type);
    if (!text) return "handle";
    if (text->starts_with(kNamespace)) text->erase(0, kNamespace.size());
    auto* const name = new TypeName{type, *std::move(text), first_name.load()};
    while (!first_name.compare_exchange_weak(name->next, name)) {
    }
    return name->text.c_str();
  } catch (const std::bad_alloc&) {
    return "handle";
  }
}

/// A handle to an object in shared memory.
class SharedHandle final : public HeldHandle {
 public:
  SharedHandle(Fingerprint type, const Handle& handle)
      : HeldHandle(Form::kShared), type_(type), handle_(handle) {}

  [[nodiscard]] const char* type_name() const noexcept override { return type_name_of(type_); }
  [[nodiscard]] std::string repr() const override {
    return fmt::format("<{} object at {}>", type_name(), fmt::ptr(handle_.get()));
  }
  [[nodiscard]] bool same_as(const HeldHandle& other) const noexcept override {
    if (other.form() != form()) return false;
    const auto& shared = static_cast<const SharedHandle&>(other);
    return shared.type_ == type_ && shared.handle_ == handle_;
  }
  [[nodiscard]] std::size_t hash() const noexcept override {
    return std::hash<const void*>()(handle_.get());
  }
  void encode(Encoder& out) const override {
    out.put(type_);
    out.write_handle(handle_);
  }

  [[nodiscard]] Fingerprint type() const noexcept { return type_; }
  [[nodiscard]] const Handle& handle() const noexcept { return handle_; }

 private:
  Fingerprint type_;
  Handle handle_;
};

}  // namespace

void set_proxy_decoder(ProxyDecoder decoder) noexcept { proxy_decoder = decoder; }

Object decode_handle(HeldHandle::Form form, Decoder& in) {
  if (form == HeldHandle::Form::kShared) {
    const auto type = in.take<Fingerprint>();
    return make_shared_handle(type, in.read_handle());
  }
  if (proxy_decoder == nullptr) {
    throw ValueError("cannot decode a manager's proxy: this program has no managers");
  }
  return ObjectAccess::make(proxy_decoder(in));
}

Object make_shared_handle(Fingerprint type, const Handle& handle) {
  if (!handle) throw ValueError("a handle that names nothing cannot be in an Object");
  return ObjectAccess::make(std::make_unique<const SharedHandle>(type, handle));
}

const Handle* shared_handle_in(const Object& o, Fingerprint type) noexcept {
  if (o.kind() != ObjectKind::kHandle) return nullptr;
  const HeldHandle& held = ObjectAccess::handle(o);
  if (held.form() != HeldHandle::Form::kShared) return nullptr;
  const auto& shared = static_cast<const SharedHandle&>(held);
  return shared.type() == type ? &shared.handle() : nullptr;
}

}  // namespace multiprocessing::detail
