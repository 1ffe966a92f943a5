// SPDX-License-Identifier: BSL-1.0
// A handle to an object in a manager's server, and one call of it.
#pragma once
#include <fmt/core.h>
#include <multiprocessing/address.hpp>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/detail/managers/values.hpp>
#include <multiprocessing/timeout.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace multiprocessing::managers {
struct Channel;
struct ProxyCore;
class ServerLink;
}  // namespace multiprocessing::managers

namespace multiprocessing::detail {

/// Made, given its arguments, run. One thread; it has a connection of its own meanwhile.
class ProxyCall {
 public:
  /// THROWS: std::system_error, AuthenticationError, EOFError where the server cannot be reached.
  ProxyCall(const managers::ProxyCore* core, MethodName method);
  ProxyCall(const ProxyCall&) = delete;
  ProxyCall& operator=(const ProxyCall&) = delete;
  ~ProxyCall();

  template <class T> ProxyCall& add(const T& value) {
    using Sent = message_type_t<const T&>;
    check_message<Sent>();
    if (!python_) {
      ++count_;
      if constexpr (std::is_convertible_v<const T&, const Sent&>) {
        append_value<Sent>(*out_, value);
      } else {
        append_value<Sent>(*out_, Sent(value));
      }
    } else if constexpr (kHasObjectForm<Sent>) {
      objects_.push_back(Object(value));
    } else {
      refuse_in_python(type_name<Sent>());
    }
    return *this;
  }

  /// THROWS: what the method throws; EOFError when the server ends; TypeError if R is another type
  /// than the result's.
  template <class R> R run() {
    perform();
    if constexpr (!std::is_void_v<R>) {
      if (python_) return from_object<R>(result_);
      Decoder decoder = reply();
      return read_value<R>(reply_type_, decoder);
    }
  }

  /// An object that is made by the call. THROWS: as run().
  [[nodiscard]] std::shared_ptr<const managers::ProxyCore> run_made();

  /// Of the server itself: an object of a type of the library; one by a registration, whose name
  /// is the first argument; a value by a registration.
  void make(MethodName type_id, std::uint64_t key);
  void create();
  void call_named();
  void ask_count();
  void ask_debug();

 private:
  struct State;
  [[nodiscard]] State& state() noexcept { return *reinterpret_cast<State*>(room_); }
  [[nodiscard]] const State& state() const noexcept {
    return *reinterpret_cast<const State*>(room_);
  }
  void perform();
  void exchange();
  void send_and_receive();
  void drop_reply() noexcept;
  [[noreturn]] void throw_reply(Decoder& decoder);
  void adopt(std::uint32_t count);
  [[nodiscard]] Decoder reply() const;
  [[noreturn]] void fail_ended();
  void perform_in_python();
  void ask_python(const std::string& id, const std::string& method, const Object& args,
                  const Object& keywords);
  [[nodiscard]] std::shared_ptr<const managers::ProxyCore> made_in_python(
      std::shared_ptr<managers::ProxyCore> core);
  [[noreturn]] static void refuse_in_python(const std::string& type);

  const managers::ProxyCore* core_;
  MethodName method_;
  OutgoingEncoder out_;
  std::uint64_t key_ = 0;
  std::uint32_t count_ = 0;
  Fingerprint reply_type_ = 0;
  std::uint8_t op_ = 0;
  std::uint8_t reply_kind_ = 0;
  bool python_ = false;
  Object::List objects_;           // arguments for a Python server
  Object result_;                  // of one
  alignas(8) std::byte room_[64];  // for the State
};

class ProxyAccess;

}  // namespace multiprocessing::detail

namespace multiprocessing {

/// Base of all proxies: a handle to an object that lives in a manager's server. Copies name the
/// same object, which lives as long as any of them does, in any process. Python: `BaseProxy`.
///
/// Threads: calls of several threads go side by side, each over a connection of its own.
/// Fork:    the child's proxies name the same objects.
/// Death:   of the server: every call is EOFError or a connection's error, at once.
///          Of a process with proxies: they are let go within a second.
class BaseProxy {
 public:
  /// Names nothing; every call is a ValueError.
  BaseProxy() noexcept = default;

  /// Calls a method by its name. THROWS: AttributeError if the object has none of that name;
  /// the exception that it throws, if it is one of the library's, else RemoteError; TypeError for
  /// arguments or results of other types; EOFError when the server ends. Python: `_callmethod`.
  template <class R = Object, class... Args>
  R call(std::string_view method, const Args&... args) const {
    detail::ProxyCall call(core_.get(), detail::MethodName(method));
    (call.add(args), ...);
    return call.template run<R>();
  }

  /// What the object itself prints, as Python's str(proxy); where the server cannot be asked,
  /// repr() and that it failed.
  [[nodiscard]] std::string str() const;
  /// The proxy: `<DictProxy object, typeid 'dict' at 0x7f01>`.
  [[nodiscard]] std::string repr() const;
  /// Where the server listens, and the object's number there.
  [[nodiscard]] const Address& address() const;
  [[nodiscard]] std::string id() const;

  /// Whether both name the same object.
  friend bool operator==(const BaseProxy& a, const BaseProxy& b) noexcept { return a.same_as(b); }
  /// Prints str().
  friend std::ostream& operator<<(std::ostream& out, const BaseProxy& proxy) {
    return proxy.print(out);
  }

 protected:
  explicit BaseProxy(std::shared_ptr<const managers::ProxyCore> core) noexcept
      : core_(std::move(core)) {}

  /// Whether the object is a CPython server's, whose methods are Python's alone.
  [[nodiscard]] bool of_python() const noexcept;
  template <class R, class... Args> R run(detail::MethodName method, const Args&... args) const {
    detail::ProxyCall call(core_.get(), method);
    (call.add(args), ...);
    return call.template run<R>();
  }

 private:
  friend class detail::ProxyAccess;
  [[nodiscard]] bool same_as(const BaseProxy& other) const noexcept;
  std::ostream& print(std::ostream& out) const;

  std::shared_ptr<const managers::ProxyCore> core_;
};

/// A proxy whose methods are called by name. Python: `AutoProxy`.
class AutoProxy : public BaseProxy {
 public:
  AutoProxy() = default;

 private:
  friend class detail::ProxyAccess;
  using BaseProxy::BaseProxy;
};

namespace detail {

class ProxyAccess {
 public:
  template <class P> static P make(std::shared_ptr<const managers::ProxyCore> core) {
    return P(std::move(core));
  }
  static const std::shared_ptr<const managers::ProxyCore>& core(const BaseProxy& proxy) noexcept {
    return proxy.core_;
  }
};

void encode_proxy(Encoder& encoder, const BaseProxy& proxy);
[[nodiscard]] std::shared_ptr<const managers::ProxyCore> decode_proxy(Decoder& decoder);

/// A text as a template's argument.
template <std::size_t kSize> struct TypeId {
  // NOLINTNEXTLINE: implicit, as a literal is meant.
  consteval TypeId(const char (&literal)[kSize]) { std::ranges::copy(literal, text); }
  char text[kSize]{};
};

/// kTypeIdOfP: the objects that a P can be of; empty: any.
template <class P, TypeId kTypeIdOfP = ""> struct ProxyTraveller {
  static constexpr bool kProxy = true;
  static constexpr std::string_view kTypeId = kTypeIdOfP.text;
  static void encode(Encoder& encoder, const P& proxy) { encode_proxy(encoder, proxy); }
  static P decode(Decoder& decoder) { return ProxyAccess::make<P>(decode_proxy(decoder)); }
};
template <> struct Traveller<AutoProxy> : ProxyTraveller<AutoProxy> {};

/// Python's timeouts: None, or seconds.
using Seconds = std::optional<double>;
[[nodiscard]] inline Seconds seconds_of(Timeout timeout) noexcept {
  if (timeout.is_forever()) return std::nullopt;
  return static_cast<double>(timeout.nanoseconds()) / 1e9;
}

/// Formats a text as a string; in the library, for <fmt/core.h> does not define how.
struct TextFormatter : fmt::formatter<fmt::string_view> {
  fmt::format_context::iterator format_text(std::string_view text,
                                            fmt::format_context& context) const;
};

template <class P>
concept ProxyType = Complete<P> && std::derived_from<P, BaseProxy>;

/// The same of a program's own class of proxies, which can be of any.
template <class P> [[nodiscard]] consteval std::string_view type_id_of() {
  if constexpr (requires { Traveller<P>::kTypeId; })
    return Traveller<P>::kTypeId;
  else
    return {};
}

/// The same core. THROWS: TypeError if it is of another type of object; see proxy_in.
[[nodiscard]] std::shared_ptr<const managers::ProxyCore> required_type(
    std::shared_ptr<const managers::ProxyCore> core, std::string_view type_id);

/// A proxy in an Object. THROWS: ValueError for one that names nothing.
[[nodiscard]] Object make_proxy_object(const BaseProxy& proxy);
/// Null if `o` is no proxy of an object of that type id. What a CPython server holds may be of any:
/// there it has the name that it was registered by.
[[nodiscard]] std::shared_ptr<const managers::ProxyCore> proxy_in(const Object& o,
                                                                  std::string_view type_id);

template <ProxyType P> struct HandleForm<P> {
  static Object make(const P& proxy) { return make_proxy_object(proxy); }
  static bool holds(const Object& o) { return proxy_in(o, type_id_of<P>()) != nullptr; }
  static P read(const Object& o) { return ProxyAccess::make<P>(proxy_in(o, type_id_of<P>())); }
};

}  // namespace detail
}  // namespace multiprocessing

// A proxy that can be iterated is no range to <fmt/ranges.h>, which may be included or not.
FMT_BEGIN_NAMESPACE
template <class T, class Char> struct is_range;
template <multiprocessing::detail::ProxyType P, class Char>
struct is_range<P, Char> : std::false_type {};
FMT_END_NAMESPACE

/// Prints str(), as Python's str(proxy); width, fill and alignment as for strings.
template <multiprocessing::detail::ProxyType P>
struct fmt::formatter<P> : multiprocessing::detail::TextFormatter {
  fmt::format_context::iterator format(const P& proxy, fmt::format_context& context) const {
    return format_text(proxy.str(), context);
  }
};
