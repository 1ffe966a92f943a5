// SPDX-License-Identifier: BSL-1.0
// Names of types: one that the compiler spells while compiling, one that a person reads.
#pragma once
#include <string>
#include <string_view>
#include <typeinfo>

namespace multiprocessing::detail {

/// T as the compiler spells it, within some text that is the same for every T. For hashes and for
/// looking for words; two compilers spell differently.
template <class T> consteval const char* spelled_text() {
  // Not string_view: where it occurs in the signature, GCC explains it in the text.
  return __PRETTY_FUNCTION__;
}
template <class T> consteval std::string_view spelled() { return spelled_text<T>(); }

/// The type as a C++ programmer writes it: std::string and not std::__cxx11::basic_string<char…>,
/// containers without their default allocators and comparators.
[[nodiscard]] std::string readable_name(const std::type_info& type);

}  // namespace multiprocessing::detail
