// SPDX-License-Identifier: BSL-1.0
// The types that this process knows by their fingerprints: all that its program and libraries send
// or receive anywhere.
#pragma once
#include <multiprocessing/detail/fingerprint.hpp>
#include <optional>
#include <string>

namespace multiprocessing::wire {

/// The type's name; for one that is not known, a text that says so.
[[nodiscard]] std::string name_of(detail::Fingerprint type);

/// The same, none for one that is not known.
[[nodiscard]] std::optional<std::string> known_name_of(detail::Fingerprint type);

/// How its values lie in a message, if it is known and an Object can be made of them.
[[nodiscard]] std::optional<std::string> structure_of(detail::Fingerprint type);

}  // namespace multiprocessing::wire
