// SPDX-License-Identifier: BSL-1.0
// Exceptions on their way from a server to the caller.
//
// error := name:string what:string type_name:string process:string pid:i32 lost:u64
//
// `name` is that of an error of the library, which the caller gets as such; else it is empty, and
// the caller gets a RemoteError.
#pragma once
#include <exception>
#include <multiprocessing/detail/encoder.hpp>
#include <multiprocessing/object.hpp>
#include <string>

namespace multiprocessing::managers {

void encode_error(detail::Encoder& out, const std::exception_ptr& error);
[[noreturn]] void throw_error(detail::Decoder& in);

/// What a CPython client makes an exception of: its module, its name there and its argument.
struct PythonError {
  std::string module;
  std::string name;
  std::string text;
};
[[nodiscard]] PythonError python_error_of(const std::exception_ptr& error);

/// Throws what a CPython server raised. `server`: for a RemoteError.
[[noreturn]] void throw_python_error(const std::string& name, const Object& arguments,
                                     const std::string& server);

}  // namespace multiprocessing::managers
