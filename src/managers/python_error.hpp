// SPDX-License-Identifier: BSL-1.0
// Exceptions between a server or client of this library and one of CPython.
#pragma once
#include <exception>
#include <multiprocessing/object.hpp>
#include <string>

namespace multiprocessing::managers {

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
