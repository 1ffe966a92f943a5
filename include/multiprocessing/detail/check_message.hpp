// SPDX-License-Identifier: BSL-1.0
// Why a type is no message, said at compile time. The compiler's notes at such an error name the
// Part that cannot travel, the type it is Within and the Message that the program wanted to send.
#pragma once
#include <multiprocessing/detail/codec.hpp>

#include <memory>
#include <string_view>
#include <type_traits>

namespace multiprocessing::detail {

template <class T> consteval bool is_called(std::string_view name) {
  return spelled<T>().find(name) != std::string_view::npos;
}

template <class T> inline constexpr bool kSmartPointer = false;
template <class T> inline constexpr bool kSmartPointer<std::shared_ptr<T>> = true;
template <class T> inline constexpr bool kSmartPointer<std::weak_ptr<T>> = true;
template <class T, class D> inline constexpr bool kSmartPointer<std::unique_ptr<T, D>> = true;

template <class...> inline constexpr bool kNever = false;

template <class T, class Within, class Message> consteval void refuse_class() {
  if constexpr (is_called<T>("basic_string_view<") || is_called<T>("span<")) {
    static_assert(kNever<T>,
                  "multiprocessing: a view is no message: what it looks at stays behind. Send and "
                  "receive std::string or std::vector.");
  } else if constexpr (is_called<T>("std::thread") || is_called<T>("std::jthread")) {
    static_assert(kNever<T>,
                  "multiprocessing: a thread is no message: it cannot leave its process. Start an "
                  "mp::Process or use an mp::Pool.");
  } else if constexpr (is_called<T>("mutex") || is_called<T>("std::unique_lock<") ||
                       is_called<T>("std::condition_variable")) {
    static_assert(kNever<T>,
                  "multiprocessing: a mutex is no message: its copy would guard nothing. Send an "
                  "mp::Lock, mp::RLock or mp::Condition, which are handles.");
  } else if constexpr (is_called<T>("atomic<") || is_called<T>("__atomic_base<")) {
    static_assert(kNever<T>,
                  "multiprocessing: an atomic is no message: its copy would be another variable. "
                  "Send an mp::Value, which is a handle.");
  } else if constexpr (is_called<T>("lambda") || is_called<T>("std::function<")) {
    static_assert(kNever<T>,
                  "multiprocessing: a lambda or std::function is no message. Send data, or "
                  "mp::partial(function, arguments), or a class with operator() and serialize.");
  } else if constexpr (is_called<T>("std::future<") || is_called<T>("std::promise<")) {
    static_assert(kNever<T>,
                  "multiprocessing: a future is no message. Use a Pool's AsyncResult or mp::Future "
                  "in the process that asked, and send the result.");
  } else if constexpr (std::is_aggregate_v<T> && HasBaseClass<T>) {
    static_assert(kNever<T>,
                  "multiprocessing: an aggregate with a base class cannot be looked into. Give it "
                  "template <class Archive> void serialize(Archive& ar, unsigned).");
  } else if constexpr (std::is_aggregate_v<T> && (kFields<T> > kFieldsMax)) {
    static_assert(kNever<T>,
                  "multiprocessing: an aggregate of more than 32 members cannot be looked into. "
                  "Group them, or give it template <class Archive> void serialize(Archive& ar, "
                  "unsigned).");
  } else {
    static_assert(kNever<T>,
                  "multiprocessing: this class is no message. Give it template <class Archive> "
                  "void serialize(Archive& ar, unsigned); or, if it is trivially copyable and "
                  "holds no pointer, opt in: template <> inline constexpr bool "
                  "multiprocessing::is_bitwise<T> = true.");
  }
}

/// Why T cannot travel, whatever it is part of.
template <class T, class Within, class Message> consteval void refuse() {
  if constexpr (std::is_reference_v<T>) {
    static_assert(kNever<T>,
                  "multiprocessing: a reference is no message and no part of one: what it names "
                  "stays behind. Send the value.");
  } else if constexpr (std::is_function_v<std::remove_pointer_t<T>> ||
                       std::is_member_pointer_v<T>) {
    static_assert(kNever<T>,
                  "multiprocessing: a pointer to a function or a member is no message. Send what "
                  "it is to be called with, or give it to mp::Process or mp::Pool.");
  } else if constexpr (std::is_pointer_v<T>) {
    static_assert(
        kNever<T>,
        "multiprocessing: a pointer is no message and no part of one: it means nothing "
        "in another process. Send the value; or std::string, std::vector, "
        "std::optional, std::unique_ptr; or a handle of this library, such as mp::Array.");
  } else if constexpr (std::is_void_v<T>) {
    static_assert(kNever<T>, "multiprocessing: void is no message; nullptr is Python's None.");
  } else if constexpr (std::is_union_v<T>) {
    static_assert(kNever<T>,
                  "multiprocessing: a union is no message: which member it holds is unknown. Send "
                  "a std::variant; or, if it holds no pointer, opt in: template <> inline "
                  "constexpr bool multiprocessing::is_bitwise<T> = true.");
  } else if constexpr (kSmartPointer<T>) {
    static_assert(kNever<T>,
                  "multiprocessing: std::shared_ptr, std::weak_ptr and pointers to polymorphic "
                  "classes travel by Boost.Serialization, which tracks classes only. Point to a "
                  "class that is a message, or send std::optional or std::unique_ptr.");
  } else {
    refuse_class<T, Within, Message>();
  }
}

template <class Part, class Within> struct Offence {};

template <class T, class Within, class... Seen> consteval auto find_offence(Types<Seen...> seen);

template <class Within, class Seen>
consteval auto find_offence_in(Types<> /*parts*/, Seen /*seen*/) {
  return Types<>{};
}
template <class Within, class Seen, class First, class... Rest>
consteval auto find_offence_in(Types<First, Rest...> /*parts*/, Seen seen) {
  constexpr auto kFound = find_offence<First, Within>(seen);
  if constexpr (std::is_same_v<decltype(kFound), const Types<>>) {
    return find_offence_in<Within>(Types<Rest...>{}, seen);
  } else {
    return kFound;
  }
}

// The first part of T, or of a part of it, that is the reason why T is no message.
template <class T, class Within, class... Seen>
consteval auto find_offence(Types<Seen...> /*seen*/) {
  if constexpr ((... || std::is_same_v<T, Seen>)) {
    return Types<>{};
  } else if constexpr (kKind<T> == MessageKind::kRefused) {
    return Offence<T, Within>{};
  } else if constexpr (kKind<T> == MessageKind::kBoost && kSmartPointer<T> &&
                       !kVerdict<T>.message) {
    return Offence<T, Within>{};
  } else {
    return find_offence_in<T>(typename Codec<T>::Parts{}, Types<Seen..., T>{});
  }
}

template <class Message, class Part, class Within>
consteval void refuse_offence(Offence<Part, Within> /*offence*/) {
  refuse<Part, Within, Message>();
}

/// A static_assert for every reason why T may be no message, with what to write instead.
template <class T> consteval void check_message() {
  static_assert(!std::is_array_v<T>,
                "multiprocessing: a C array is no message by itself. Send std::array, "
                "std::vector or std::string.");
  static_assert(!std::is_const_v<T> && !std::is_volatile_v<T>,
                "multiprocessing: a message has no const or volatile type.");
  if constexpr (!std::is_array_v<T> && !kVerdict<T>.message) {
    refuse_offence<T>(find_offence<T, T>(Types<>{}));
  }
}

}  // namespace multiprocessing::detail
