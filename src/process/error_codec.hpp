// SPDX-License-Identifier: BSL-1.0
// Exceptions as bytes: what a task or a method threw, told to who asked for it.
//
// error := kind:u8 text                                   one of the library's own types
//        | RemoteError type text process pid:i32          anything else, by name
//        | OwnerDiedError text name pid:i32 lost:u64
//        | WorkerLost text task pid:i32 exitcode:i32
#pragma once
#include <exception>
#include <multiprocessing/detail/encoder.hpp>

namespace multiprocessing::process {

/// Writes any exception, what() null and `throw 42` included. THROWS: std::bad_alloc.
void encode_error(detail::Encoder& encoder, const std::exception_ptr& error);

/// The library's own type where it was one of those exactly, else RemoteError that names type,
/// text, process and pid. THROWS: ValueError for bytes that are no error.
[[nodiscard]] std::exception_ptr decode_error(detail::Decoder& decoder);

}  // namespace multiprocessing::process
