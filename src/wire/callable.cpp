// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <multiprocessing/detail/callable.hpp>
#include <multiprocessing/detail/type_name.hpp>
#include <multiprocessing/errors.hpp>

#include "os/code.hpp"

namespace multiprocessing::detail {

void encode_code(Encoder& encoder, const void* address) {
  const os::CodeName name = os::name_code(address);
  encode(encoder, name.build_id);
  encode(encoder, name.module);
  encoder.put(name.offset);
  encoder.put(name.probe);
}

const void* decode_code(Decoder& decoder) {
  os::CodeName name;
  name.build_id = decode<std::string>(decoder);
  name.module = decode<std::string>(decoder);
  name.offset = decoder.take<std::uint64_t>();
  name.probe = decoder.take<std::uint64_t>();
  return os::find_code(name);
}

void refuse_target(const std::type_info& type) {
  throw TypeError(fmt::format(
      "{} cannot go to a fresh process image (start methods spawn and forkserver): a target and "
      "its arguments are function pointers, lambdas without captures, messages, mp::partial(f, "
      "args...), or classes with serialize; or use the start method fork",
      readable_name(type)));
}

}  // namespace multiprocessing::detail
