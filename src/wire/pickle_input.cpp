// SPDX-License-Identifier: BSL-1.0
#include "wire/pickle_input.hpp"

#include <fmt/format.h>

#include <multiprocessing/errors.hpp>

namespace multiprocessing::wire {

std::string_view PickleInput::take_line() {
  const void* const end = remaining() == 0 ? nullptr : std::memchr(at_, '\n', remaining());
  if (end == nullptr) fail("it is cut short in a line");
  const std::string_view line =
      take(static_cast<std::uint64_t>(static_cast<const char*>(end) - at_));
  ++at_;
  return line;
}

void PickleInput::fail(std::string_view why) const { fail_at(at_, why); }

void PickleInput::fail_at(const char* at, std::string_view why) const {
  throw ValueError(fmt::format("cannot decode a pickle: {} (at byte {} of {})", why, at - begin_,
                               end_ - begin_));
}

void PickleInput::fail_short(const char* at, std::uint64_t n) const {
  fail_at(at, fmt::format("{} bytes more are announced, {} are left", n, end_ - at));
}

}  // namespace multiprocessing::wire
