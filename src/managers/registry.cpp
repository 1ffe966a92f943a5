// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <multiprocessing/detail/managers/registration.hpp>

namespace multiprocessing::detail {

void Registry::add(std::shared_ptr<const Registration> registration) {
  std::erase_if(all_, [&](const auto& each) { return each->name() == registration->name(); });
  all_.push_back(std::move(registration));
}

const Registration* Registry::find(std::string_view name) const noexcept {
  const auto found = std::find_if(all_.begin(), all_.end(),
                                  [&](const auto& each) { return each->name() == name; });
  return found == all_.end() ? nullptr : found->get();
}

void Registry::encode(Encoder& encoder) const {
  encoder.write_length(all_.size());
  for (const auto& each : all_) each->encode(encoder);
}

Registry Registry::decode(Decoder& decoder) {
  Registry registry;
  for (std::size_t n = decoder.read_length(); n > 0; --n) {
    registry.all_.push_back(decode_function<DecodeRegistration>(decoder)(decoder));
  }
  return registry;
}

namespace {

// As the Itanium C++ ABI has it. A virtual function is named by its place in the table of the
// object's class, any other by its address; ARM keeps the mark that tells them apart in the other
// word.
struct MemberPointer {
  std::uintptr_t function;
  std::ptrdiff_t adjustment;

  [[nodiscard]] bool is_virtual() const noexcept {
#if defined(__arm__) || defined(__aarch64__)
    return (adjustment & 1) != 0;
#else
    return (function & 1) != 0;
#endif
  }
};

}  // namespace

void encode_member(Encoder& encoder, const void* pointer, std::size_t bytes) {
  MemberPointer member{};
  if (bytes != sizeof member) throw TypeError("a member function of an unknown form");
  std::memcpy(&member, pointer, sizeof member);
  encoder.put(member.is_virtual());
  encoder.put(member.adjustment);
  if (member.is_virtual()) {
    encoder.put(member.function);
  } else {
    encode_code(encoder, reinterpret_cast<const void*>(member.function));
  }
}

void decode_member(Decoder& decoder, void* pointer, std::size_t bytes) {
  MemberPointer member{};
  if (bytes != sizeof member) throw TypeError("a member function of an unknown form");
  const bool is_virtual = decoder.take<bool>();
  member.adjustment = decoder.take<std::ptrdiff_t>();
  member.function = is_virtual ? decoder.take<std::uintptr_t>()
                               : reinterpret_cast<std::uintptr_t>(decode_code(decoder));
  std::memcpy(pointer, &member, sizeof member);
}

}  // namespace multiprocessing::detail
