// SPDX-License-Identifier: BSL-1.0
// Exceptions as bytes: what a task or a method threw, told to who asked for it.
//
// error := kind:u8 name text                        one of the library's own types, that is its
// text
//        | kind:u8 type text process pid:i32        anything else: a RemoteError
//        | kind:u8 text name pid:i32 lost:u64       OwnerDiedError
//        | kind:u8 task pid:i32 exitcode:i32        WorkerLost
#pragma once
#include <exception>
#include <multiprocessing/detail/encoder.hpp>
#include <string>
#include <string_view>

namespace multiprocessing::process {

/// Writes any exception, what() null and `throw 42` included. THROWS: std::bad_alloc.
void encode_error(detail::Encoder& encoder, const std::exception_ptr& error);

/// The library's own type where it was one of those exactly, else RemoteError that names type,
/// text, process and pid. THROWS: ValueError for bytes that are no error.
[[nodiscard]] std::exception_ptr decode_error(detail::Decoder& decoder);

/// The library's error of that name ("KeyError"), where it is its text and nothing else; else null.
[[nodiscard]] std::exception_ptr make_error(std::string_view name, const std::string& text);
/// Its name; empty for what make_error does not make.
[[nodiscard]] std::string_view name_of_error(const std::exception& error) noexcept;

}  // namespace multiprocessing::process
