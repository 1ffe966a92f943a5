// SPDX-License-Identifier: BSL-1.0
// How typed messages become bytes: the one header that queues, connections, processes and pools
// need of the wire.
//
//   Encoder e;                       Decoder d(bytes, handles, descriptors);
//   encode<T>(e, value);             T value = decode_as<T>(sent, d);
//
// Beside the bytes travels fingerprint<T>(), so that the receiver can tell what was sent. Nothing
// here blocks or waits; every function may be called from several threads at once, each with an
// Encoder or Decoder of its own. Serialisation errors are thrown by encode, before anything is
// sent.
#pragma once
#include <multiprocessing/detail/encoder.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace multiprocessing {

class Object;

/// Opt-in: says that a trivially copyable class may travel as the bytes it consists of, that is,
/// holds no pointer, no descriptor and nothing else that means something in one process only.
///   template <> inline constexpr bool mp::is_bitwise<Vec3> = true;
template <class T> inline constexpr bool is_bitwise = false;

namespace detail {

/// A hash of the structure of a type (and of its name, if it is a class of the program's own):
/// equal in every process of the program. Containers that differ only in comparator, hash or
/// allocator are the same, as are integers of one width and signedness.
using Fingerprint = std::uint32_t;

/// How a class travels that needs more than its fields. Specialise it with
///   static void encode(Encoder&, const T&);   static T decode(Decoder&);
/// before the first use of T as a message. It goes before everything else that T could be.
template <class T> struct Traveller;

/// The door into public handle classes. A class that befriends it, keeps a member
/// `detail::Handle handle_` and has a constructor X(detail::Handle), which may be private, travels
/// as that handle.
class HandleAccess {
 public:
  template <class X> static auto get(const X& x) -> decltype((x.handle_)) { return x.handle_; }
  template <class X> static X make(Handle handle) { return X(std::move(handle)); }
};

/// What may travel. False says nothing of why: call check_message<T>() where a user's type comes
/// in, it has a static_assert for every reason, each with what to write instead.
template <class T>
concept Message = std::is_object_v<T> && !std::is_pointer_v<T> && !std::is_array_v<T>;

template <class T> consteval void check_message();

/// What travels for an argument of type T: T without reference and cv; a string literal, a char
/// array, char* and std::string_view become std::string.
template <class T>
using message_type_t = std::conditional_t<std::is_convertible_v<T, std::string_view> &&
                                              (std::is_pointer_v<std::decay_t<T>> ||
                                               std::is_same_v<std::decay_t<T>, std::string_view>),
                                          std::string, std::decay_t<T>>;

/// T's fingerprint. Where it is used, T is also known by name in this process (for error messages
/// and for messages that are received as Object), from before main on.
template <class T> [[nodiscard]] Fingerprint fingerprint();

/// The fingerprint of mp::Object.
[[nodiscard]] Fingerprint object_fingerprint();

/// T as a C++ programmer writes it: "std::map<std::string, int>".
template <class T> [[nodiscard]] std::string type_name();

/// Appends `value`. THROWS what T's own `serialize` throws; TypeError for a polymorphic class that
/// was not exported. After an exception the encoder holds a torn message: clear() it.
template <class T> void encode(Encoder& encoder, const T& value);

/// Reads what encode<T> wrote. THROWS ValueError for input that is cut short or no T.
template <class T> [[nodiscard]] T decode(Decoder& decoder);

/// True where encoded_size<T> exists: where the exact size is known by a cheap pass beforehand.
/// That is all but classes with `serialize` and whatever contains one, Object, and Traveller.
template <class T> extern const bool kSizedMessage;

/// How many bytes encode writes at the beginning of an empty encoder (or at a multiple of 16).
template <class T> [[nodiscard]] std::size_t encoded_size(const T& value);

/// The same as decode<T> if `sent` is T's fingerprint. A message of numbers, strings, containers
/// of such… can be decoded as Object, and an Object as the type that it holds.
/// THROWS TypeError that names both types for everything else; then nothing has been consumed
/// that matters: the same bytes can be decoded again, as another type, by a new Decoder.
template <class T> [[nodiscard]] T decode_as(Fingerprint sent, Decoder& decoder);

/// Whether decode_as has a chance: the types are equal, or one of them is Object. Costs nothing.
[[nodiscard]] inline bool may_decode(Fingerprint sent, Fingerprint wanted) {
  return sent == wanted || sent == object_fingerprint() || wanted == object_fingerprint();
}

/// True where T has a counterpart in Python: an Object can be made of it and the other way round.
template <class T> extern const bool kHasObjectForm;

}  // namespace detail
}  // namespace multiprocessing
