// SPDX-License-Identifier: BSL-1.0
// Any bytes as a pickle: they are refused by ValueError, or are a value whose own pickle is the
// same after one more way there and back. So are those that name classes, which managers read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <multiprocessing/detail/pickle.hpp>
#include <multiprocessing/errors.hpp>
#include <string>
#include <vector>

#include "managers/python_pickle.hpp"

namespace mp = multiprocessing;
using mp::Object;
using mp::detail::decode_pickle;
using mp::detail::Encoder;

namespace {

// Few bytes can refer to each other so often that they are millions of values: these are not
// written.
bool has_few_values(const Object& o, int& left) {
  if (--left < 0) return false;
  using Kind = mp::detail::ObjectKind;
  if (o.kind() == Kind::kDict) {
    for (const auto& [key, value] : o.items()) {
      if (!has_few_values(key, left) || !has_few_values(value, left)) return false;
    }
    return true;
  }
  const bool is_container = o.kind() == Kind::kList || o.kind() == Kind::kTuple ||
                            o.kind() == Kind::kSet || o.kind() == Kind::kFrozenSet;
  if (!is_container) return true;
  for (const Object& item : o) {
    if (!has_few_values(item, left)) return false;
  }
  return true;
}

template <class T> void decode_as(std::span<const std::byte> bytes) {
  try {
    static_cast<void>(mp::detail::decode_pickle_as<T>(bytes));
  } catch (const mp::ValueError&) {
  } catch (const mp::TypeError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    static_cast<void>(mp::managers::decode_python_reply(bytes));
  } catch (const mp::ValueError&) {
  } catch (const mp::TypeError&) {
  }
  try {
    static_cast<void>(mp::managers::decode_python_request(bytes));
  } catch (const mp::ValueError&) {
  } catch (const mp::TypeError&) {
  }
  Object value;
  try {
    value = decode_pickle(bytes);
  } catch (const mp::ValueError&) {
    return 0;
  }
  int left = 10'000;
  if (!has_few_values(value, left)) return 0;
  static_cast<void>(value.repr());
  Encoder first;
  encode_pickle(first, value);
  Encoder second;
  encode_pickle(second, decode_pickle(first.bytes()));
  if (first.size() != second.size() ||
      std::memcmp(first.bytes().data(), second.bytes().data(), first.size()) != 0)
    std::abort();
  decode_as<std::vector<int>>(bytes);
  decode_as<std::map<std::string, std::vector<double>>>(bytes);
  return 0;
}
