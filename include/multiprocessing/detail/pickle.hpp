// SPDX-License-Identifier: BSL-1.0
// Values as the pickles that Python's `Connection.send` writes and its `recv` reads.
//
//   Encoder e;                               Object o = decode_pickle(bytes);
//   encode_pickle(e, value);                 auto v = decode_pickle_as<std::vector<int>>(bytes);
//
// Written: protocol 4, which CPython 3.4 and later load. Read: protocols 2 to 5, of None, bool,
// int (64 bits), float, str, bytes, bytearray (which becomes bytes), list, tuple, dict, set and
// frozenset. Nothing is ever called or constructed: a pickle that asks for anything else is refused
// with the name of what it asks for.
//
// What occurs twice in a pickle becomes equal values, for an Object is a value; what contains
// itself is refused. A str may hold surrogates, in three bytes each.
//
// Threads: any number at once. Nothing here blocks. Python: `ForkingPickler.dumps`, `loads`.
#pragma once
#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/detail/object_form.hpp>
#include <multiprocessing/object.hpp>

#include <cstddef>
#include <span>
#include <type_traits>

namespace multiprocessing::detail {

/// Appends `o` as a whole pickle.
/// THROWS: RuntimeError if it is nested more than 1,000 levels deep, ValueError for a str that is
/// not UTF-8, TypeError for a handle; then a torn part of the pickle has been appended.
void encode_pickle(Encoder& out, const Object& o);

/// The same for what an Object can be made of.  THROWS: as the constructor of Object, too.
template <ObjectSource T> void encode_pickle(Encoder& out, const T& value) {
  encode_pickle(out, Object(value));
}

/// The same of a message of type Sent, given as what it is made of: a string literal, `o[key]`…
template <class Sent> void encode_pickle_as(Encoder& out, const Sent& value) {
  encode_pickle(out, value);
}

/// The value of the one pickle that `bytes` are. Memory is used in proportion to their number.
/// THROWS: ValueError for what is no pickle of plain data: damaged or cut short, of protocol 0 or
/// 1, an int of more than 64 bits, more than 1,000 levels, a value that contains itself, anything
/// but plain data. The message says what stands at which byte. So is one that refers to its values
/// so often that it would be more than 2^24 + 16 for a byte without that, and one whose keys were
/// chosen to have one hash.
[[nodiscard]] Object decode_pickle(std::span<const std::byte> bytes);

/// The same as a message of type T.  THROWS: TypeError that names both types if the pickle is of
/// another one, or if T has no counterpart in Python.
template <class T> [[nodiscard]] T decode_pickle_as(std::span<const std::byte> bytes) {
  if constexpr (std::is_same_v<T, Object>)
    return decode_pickle(bytes);
  else if constexpr (has_object_reader<T>())
    return decode_pickle(bytes).template as<T>();
  else
    fail_other_type(object_fingerprint(), type_name<T>());
}

}  // namespace multiprocessing::detail
