// SPDX-License-Identifier: BSL-1.0
// Handles in Objects: a Queue, a Lock, a manager's proxy… They are no values: every copy names the
// same thing, and Python's pickle has no counterpart.
//
// Of what lives in shared memory an Object keeps the type's fingerprint and the handle, so that a
// program can pass on what it has no type for. Of a proxy it keeps what all copies of it share; its
// class stands on a floor above, which says how one is read from a message.
#pragma once
#include <multiprocessing/detail/codec_classes.hpp>
#include <multiprocessing/detail/fingerprint.hpp>
#include <multiprocessing/detail/object_access.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace multiprocessing::detail {

/// What an Object of Kind::kHandle holds.
class HeldHandle {
 public:
  /// Its tag in a message.
  enum class Form : std::uint8_t { kShared = 12, kProxy = 13 };

  HeldHandle(const HeldHandle&) = delete;
  HeldHandle& operator=(const HeldHandle&) = delete;
  virtual ~HeldHandle() = default;

  [[nodiscard]] Form form() const noexcept { return form_; }
  [[nodiscard]] virtual const char* type_name() const noexcept = 0;
  [[nodiscard]] virtual std::string repr() const = 0;
  /// A proxy's is that of what it names.
  [[nodiscard]] virtual std::string str() const { return repr(); }
  /// What names the same thing is the same, and has the same hash.
  [[nodiscard]] virtual bool same_as(const HeldHandle& other) const noexcept = 0;
  [[nodiscard]] virtual std::size_t hash() const noexcept = 0;
  /// Without the tag. THROWS: what sending the handle by itself throws.
  virtual void encode(Encoder& out) const = 0;

 protected:
  explicit HeldHandle(Form form) noexcept : form_(form) {}

 private:
  const Form form_;
};

/// How a proxy is read. Set before main where a program has managers.
using ProxyDecoder = HeldPointer (*)(Decoder& in);
void set_proxy_decoder(ProxyDecoder decoder) noexcept;

/// The payload of that form. THROWS: ValueError for what none wrote; as reading the proxy by
/// itself.
[[nodiscard]] Object decode_handle(HeldHandle::Form form, Decoder& in);

/// THROWS: ValueError for a handle that names nothing.
[[nodiscard]] Object make_shared_handle(Fingerprint type, const Handle& handle);
/// Null if `o` is no handle of that type.
[[nodiscard]] const Handle* shared_handle_in(const Object& o, Fingerprint type) noexcept;

template <class T>
requires(std::is_class_v<T>&& HandleClass<T>) struct HandleForm<T> {
  static Object make(const T& handle) {
    static_cast<void>(&known_type<T>);  // by name, for messages
    return make_shared_handle(kFingerprint<T>, HandleAccess::get(handle));
  }
  static bool holds(const Object& o) { return shared_handle_in(o, kFingerprint<T>) != nullptr; }
  /// REQUIRES: holds(o).
  static T read(const Object& o) {
    return HandleAccess::make<T>(*shared_handle_in(o, kFingerprint<T>));
  }
};

}  // namespace multiprocessing::detail
