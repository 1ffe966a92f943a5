// SPDX-License-Identifier: BSL-1.0
// A callable with its arguments on its way to a process that calls it first of all.
#pragma once
#include <memory>
#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/detail/target.hpp>

namespace multiprocessing::managers {

struct Initializer {
  std::shared_ptr<detail::Target> target;  // null: there is none
};

}  // namespace multiprocessing::managers

namespace multiprocessing::detail {

template <> struct Traveller<managers::Initializer> {
  static void encode(Encoder& encoder, const managers::Initializer& initializer) {
    encoder.put(initializer.target != nullptr);
    if (initializer.target != nullptr) initializer.target->encode(encoder);
  }
  static managers::Initializer decode(Decoder& decoder) {
    if (!decoder.take<bool>()) return {};
    return {decode_target(decoder)};
  }
};

}  // namespace multiprocessing::detail
