// SPDX-License-Identifier: BSL-1.0
// What CPython names in a pickle of plain data: the types that the protocol has no operation for.
#pragma once
#include <multiprocessing/detail/object_access.hpp>
#include <string_view>

#include "wire/pickle_stack.hpp"

namespace multiprocessing::wire {

/// THROWS: ValueError that names it, if it is none of them.
[[nodiscard]] PickleCallable find_callable(const PickleInput& in, std::string_view module,
                                           std::string_view name);

/// The bytes, or the list of the elements of a set, that a call with these arguments is about.
/// THROWS: ValueError for arguments that CPython does not write.
[[nodiscard]] Object argument_of(const PickleInput& in, PickleCallable callable,
                                 const Object::List& arguments);

}  // namespace multiprocessing::wire
