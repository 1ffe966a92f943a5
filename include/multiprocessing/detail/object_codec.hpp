// SPDX-License-Identifier: BSL-1.0
// How an Object travels in a message of this library. Python never sees it: there Objects travel as
// pickles.
//
// object   := tag payload
// tag      := 0 None | 1 False | 2 True
//           | 3 int        payload: varint, zigzag (0, -1, 1, -2… are 0, 1, 2, 3…)
//           | 4 float      payload: 8 bytes, as in memory
//           | 5 str | 6 bytes                      payload: varint length, bytes
//           | 7 list | 8 tuple | 10 set | 11 frozenset   payload: varint count, objects
//           | 9 dict       payload: varint count, keys and values in turn
//           | 12 handle    payload: fingerprint:u32 of its type, handle (see encoder.hpp)
//           | 13 proxy     payload: what the proxy writes by itself
//           | 0x40 + n     a str of n < 64 bytes; payload: bytes
//           | 0x90 + n     the int n, -16 <= n < 112
// varint   := seven bits to a byte, lowest first; the highest bit says that more follow
#pragma once
#include <multiprocessing/detail/encoder.hpp>
#include <multiprocessing/object.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace multiprocessing::detail {

/// Appends `o`.  THROWS: RuntimeError if it is nested more than 1,000 levels deep; then a torn part
/// of it has been appended. The vector takes no handles: TypeError.
void encode_object(Encoder& out, const Object& o);
void encode_object(std::vector<std::byte>& out, const Object& o);

/// Takes one Object off the front of `in`.
/// THROWS: ValueError for what no encode_object wrote: input that is cut short, an unknown tag, a
/// key that cannot be one, more than 1,000 levels. Memory is used in proportion to the input.
/// Besides, what reading a proxy by itself throws: its server may have ended.
[[nodiscard]] Object decode_object(Decoder& in);
[[nodiscard]] Object decode_object(std::span<const std::byte>& in);

}  // namespace multiprocessing::detail
