// SPDX-License-Identifier: BSL-1.0
// What goes between a process and a pool in a manager's server. Items and results stay as the
// caller and the worker wrote them: the server has no use for their types.
#pragma once
#include <cstddef>
#include <cstdint>
#include <multiprocessing/detail/message.hpp>
#include <optional>
#include <span>
#include <vector>

#include "os/code.hpp"

namespace multiprocessing::managers {

/// Bytes that name handles by number.
struct RawBytes {
  std::vector<std::byte> bytes;
  std::vector<detail::Handle> handles;

  RawBytes() = default;
  RawBytes(std::span<const std::byte> all, std::span<const detail::Handle> named)
      : bytes(all.begin(), all.end()), handles(named.begin(), named.end()) {}
};

/// Items of a call, for one worker.
struct PoolChunk {
  std::uint64_t id = 0;  ///< among those of the process
  std::uint64_t call = 0;
  std::uint64_t first_item = 0;
  std::uint32_t items = 0;
  std::int64_t timeout_ns = 0;
  os::CodeName entry;
  std::optional<os::CodeName> function;
  RawBytes arguments;
};

/// What has come of some of them, which are the next ones in their order.
struct PoolResults {
  std::uint64_t chunk = 0;
  std::uint64_t first_item = 0;
  std::uint64_t items = 0;
  bool lost = false;  ///< no item has a result, and the bytes are one error for all
  RawBytes outcomes;
};

}  // namespace multiprocessing::managers

namespace multiprocessing::detail {

template <> struct Traveller<managers::RawBytes> {
  static void encode(Encoder& encoder, const managers::RawBytes& raw) {
    encoder.write_length(raw.handles.size());
    for (const Handle& handle : raw.handles) encoder.write_handle(handle);
    encoder.write_length(raw.bytes.size());
    encoder.write(raw.bytes.data(), raw.bytes.size());
  }
  static managers::RawBytes decode(Decoder& decoder) {
    managers::RawBytes raw;
    for (std::size_t n = decoder.read_length(); n > 0; --n) {
      raw.handles.push_back(decoder.read_handle());
    }
    const std::size_t size = decoder.read_length();
    const std::byte* const at = decoder.view(size);
    raw.bytes.assign(at, at + size);
    return raw;
  }
};

}  // namespace multiprocessing::detail
