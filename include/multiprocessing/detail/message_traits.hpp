// SPDX-License-Identifier: BSL-1.0
// What a class can do to become a message, or to become one in another way.
#pragma once
#include <multiprocessing/detail/handle.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>

namespace multiprocessing {

class Object;

/// Opt-in: says that a trivially copyable class may travel as the bytes it consists of, that is,
/// holds no pointer, no descriptor and nothing else that means something in one process only.
///   template <> inline constexpr bool mp::is_bitwise<Vec3> = true;
template <class T> inline constexpr bool is_bitwise = false;

namespace detail {

/// How a class travels that needs more than its fields. Specialise it with
///   static void encode(Encoder&, const T&);   static T decode(Decoder&);
/// before the first use of T as a message. It goes before everything else that T could be.
/// An `encode` that is a template over its first argument also serves to count bytes; then T has
/// an encoded_size.
template <class T> struct Traveller;

/// The door into public handle classes. A class that befriends it, keeps a member
/// `detail::Handle handle_` and has a constructor X(detail::Handle), which may be private, travels
/// as that handle.
class HandleAccess {
 public:
  template <class X> static auto get(const X& x) -> decltype((x.handle_)) { return x.handle_; }
  template <class X> static X make(Handle handle) { return X(std::move(handle)); }
};

/// How a class that names something shared gets into an Object and out of it: for handle classes
/// and for proxies
///   static Object make(const T&);   static bool holds(const Object&);   static T read(const
///   Object&);
template <class T> struct HandleForm;

/// What is kept of an argument: a copy, as std::thread makes. A class that only stands for a value
/// (the `o[key]` of an Object) names the value's type `message_type`, and that is kept and sent.
template <class T> struct Kept { using type = std::decay_t<T>; };
template <class T>
requires requires { typename std::decay_t<T>::message_type; }
struct Kept<T> {
  using type = typename std::decay_t<T>::message_type;
};
template <class T> using kept_t = typename Kept<T>::type;

}  // namespace detail
}  // namespace multiprocessing
