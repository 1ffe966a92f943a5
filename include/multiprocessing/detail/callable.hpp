// SPDX-License-Identifier: BSL-1.0
// How callables go to another image of the program, without being registered anywhere.
//
// callable := code                  a pointer to a function: which module, and where in it
//           | nothing               what has no state (a lambda without captures) is made anew
//           | message               function objects that are messages: `serialize`, mp::partial
#pragma once
#include <multiprocessing/detail/message.hpp>

#include <type_traits>

namespace multiprocessing::detail {

/// Writes the name of a place in this program's code. THROWS: RuntimeError for code that was made
/// at run time.
void encode_code(Encoder& encoder, const void* address);
/// The same place in this process. THROWS: RuntimeError if the module is another build here.
[[nodiscard]] const void* decode_code(Decoder& decoder);

template <class Function> void encode_function(Encoder& encoder, Function* function) {
  static_assert(std::is_function_v<Function>);
  encode_code(encoder, reinterpret_cast<const void*>(function));
}
template <class Function> [[nodiscard]] Function* decode_function(Decoder& decoder) {
  static_assert(std::is_function_v<Function>);
  // Code is not const data, but POSIX wants the two to convert.
  return reinterpret_cast<Function*>(const_cast<void*>(decode_code(decoder)));
}

template <class T>
inline constexpr bool kFunctionPointer =
    std::is_pointer_v<T>&& std::is_function_v<std::remove_pointer_t<T>>;
template <class T>
inline constexpr bool kStateless =
    std::is_class_v<T>&& std::is_empty_v<T>&& std::is_default_constructible_v<T>;

/// Whether a callable, or an argument of one, can go to another image of the program.
template <class T>
concept Portable = kFunctionPointer<T> || kStateless<T> || Message<T>;

template <Portable T> void encode_portable(Encoder& encoder, const T& value) {
  if constexpr (kFunctionPointer<T>) {
    encode_function(encoder, value);
  } else if constexpr (!kStateless<T>) {
    detail::encode<T>(encoder, value);
  }
}

template <Portable T> [[nodiscard]] T decode_portable(Decoder& decoder) {
  if constexpr (kFunctionPointer<T>) {
    return decode_function<std::remove_pointer_t<T>>(decoder);
  } else if constexpr (kStateless<T>) {
    return T();
  } else {
    return detail::decode<T>(decoder);
  }
}

/// THROWS: TypeError that names the type and says what to write instead.
[[noreturn]] void refuse_target(const std::type_info& type);

}  // namespace multiprocessing::detail
