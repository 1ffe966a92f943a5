// SPDX-License-Identifier: BSL-1.0
// Why a type is no message, said at compile time. The compiler's notes below such an error lead
// from the offending part up to the type that the program wanted to send.
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

template <class T> consteval void refuse_class() {
  constexpr bool kView = is_called<T>("basic_string_view<") || is_called<T>("span<");
  constexpr bool kThread = is_called<T>("std::thread") || is_called<T>("std::jthread");
  constexpr bool kMutex = is_called<T>("mutex") || is_called<T>("std::unique_lock<") ||
                          is_called<T>("std::condition_variable");
  constexpr bool kAtomic = is_called<T>("atomic<") || is_called<T>("__atomic_base<");
  constexpr bool kCallable = is_called<T>("lambda") || is_called<T>("std::function<");
  constexpr bool kFuture = is_called<T>("std::future<") || is_called<T>("std::promise<");
  static_assert(!kView,
                "multiprocessing: a view is no message: what it looks at stays behind. Send and "
                "receive std::string or std::vector.");
  static_assert(!kThread,
                "multiprocessing: a thread is no message: it cannot leave its process. Start an "
                "mp::Process or use an mp::Pool.");
  static_assert(!kMutex,
                "multiprocessing: a mutex is no message: its copy would guard nothing. Send an "
                "mp::Lock, mp::RLock or mp::Condition, which are handles.");
  static_assert(!kAtomic,
                "multiprocessing: an atomic is no message: its copy would be another variable. "
                "Send an mp::Value, which is a handle.");
  static_assert(!kCallable,
                "multiprocessing: a lambda or std::function is no message. Send data, or "
                "mp::partial(function, arguments…), or a class with operator() and serialize.");
  static_assert(!kFuture,
                "multiprocessing: a future is no message. Use a Pool's AsyncResult or mp::Future "
                "in the process that asked, and send the result.");
  static_assert(kView || kThread || kMutex || kAtomic || kCallable || kFuture || !HasBaseClass<T>,
                "multiprocessing: an aggregate with a base class cannot be looked into. Give it "
                "template <class Archive> void serialize(Archive& ar, unsigned).");
  static_assert(kView || kThread || kMutex || kAtomic || kCallable || kFuture || HasBaseClass<T> ||
                    kFields<T> <= kFieldsMax,
                "multiprocessing: an aggregate of more than 32 members cannot be looked into. "
                "Group them, or give it template <class Archive> void serialize(Archive& ar, "
                "unsigned).");
  static_assert(kView || kThread || kMutex || kAtomic || kCallable || kFuture || HasBaseClass<T> ||
                    kFields<T> > kFieldsMax,
                "multiprocessing: this class is no message. Give it template <class Archive> void "
                "serialize(Archive& ar, unsigned); or, if it is trivially copyable and holds no "
                "pointer, opt in: template <> inline constexpr bool "
                "multiprocessing::is_bitwise<T> = true.");
}

/// Why T itself cannot travel, whatever it is part of.
template <class T> consteval void refuse() {
  constexpr bool kFunction =
      std::is_function_v<std::remove_pointer_t<T>> || std::is_member_function_pointer_v<T>;
  static_assert(!std::is_reference_v<T>,
                "multiprocessing: a reference is no message and no part of one: what it names "
                "stays behind. Send the value.");
  static_assert(!kFunction,
                "multiprocessing: a pointer to a function is no message. Send what the function "
                "is to be called with, or give it to mp::Process or mp::Pool.");
  static_assert(!std::is_pointer_v<T> || kFunction,
                "multiprocessing: a pointer is no message and no part of one: it means nothing in "
                "another process. Send the value; or std::string, std::vector, std::optional, "
                "std::unique_ptr; or a handle of this library, such as mp::Array.");
  static_assert(!std::is_member_pointer_v<T> || kFunction,
                "multiprocessing: a pointer to a member is no message and no part of one.");
  static_assert(!std::is_void_v<T>,
                "multiprocessing: void is no message; nullptr is Python's None.");
  static_assert(!std::is_union_v<T>,
                "multiprocessing: a union is no message: which member it holds is unknown. Send a "
                "std::variant; or, if it holds no pointer, opt in: template <> inline constexpr "
                "bool multiprocessing::is_bitwise<T> = true.");
  if constexpr (std::is_class_v<T>) refuse_class<T>();
}

template <class T, class... Seen> consteval void explain();

template <class... Seen, class... Parts> consteval void explain_all(Types<Parts...> /*parts*/) {
  (explain<Parts, Seen...>(), ...);
}

template <class T, class... Seen> consteval void explain() {
  if constexpr ((... || std::is_same_v<T, Seen>)) {
    return;
  } else if constexpr (kKind<T> == Kind::kRefused) {
    refuse<T>();
  } else if constexpr (kSmartPointer<T> && kKind<T> == Kind::kBoost) {
    static_assert(examine<T, Seen...>().message,
                  "multiprocessing: std::shared_ptr, std::weak_ptr and pointers to polymorphic "
                  "classes travel by Boost.Serialization, which tracks classes only. Point to a "
                  "class that is a message, or send std::optional or std::unique_ptr.");
  } else {
    explain_all<Seen..., T>(typename Codec<T>::Parts{});
  }
}

/// A static_assert for every reason why T may be no message, with what to write instead.
template <class T> consteval void check_message() {
  static_assert(!std::is_array_v<T>,
                "multiprocessing: a C array is no message by itself. Send std::array, "
                "std::vector or std::string.");
  static_assert(!std::is_const_v<T> && !std::is_volatile_v<T>,
                "multiprocessing: a message has no const or volatile type.");
  if constexpr (!std::is_array_v<T>) explain<T>();
}

}  // namespace multiprocessing::detail
