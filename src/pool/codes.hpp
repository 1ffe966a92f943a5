// SPDX-License-Identifier: BSL-1.0
// What tasks call: written once for a pool, found once by each worker.
//
// code block := parcel: entry [function]     code by module and offset, see detail/callable.hpp
#pragma once
#include <cstdint>
#include <map>
#include <multiprocessing/detail/pool_task.hpp>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "pool/layout.hpp"

namespace multiprocessing::pool {

/// The parent's side.
class CodeBook {
 public:
  /// The name of the code's block. THROWS: RuntimeError for code that was made at run time,
  /// MemoryError.
  [[nodiscard]] std::uint64_t name_of(Board& board, const detail::TaskCode& code);

 private:
  using Key = std::pair<detail::TaskEntry, void (*)()>;
  std::mutex mutex_;
  std::map<Key, std::uint64_t> names_;
  Key last_{};
  std::uint64_t last_name_ = 0;
};

/// A worker's side.
class CodeReader {
 public:
  /// THROWS: RuntimeError where this image is another build.
  [[nodiscard]] const detail::TaskCode& find(std::uint64_t name);

 private:
  std::unordered_map<std::uint64_t, detail::TaskCode> known_;
  std::uint64_t last_name_ = 0;
  const detail::TaskCode* last_ = nullptr;
};

}  // namespace multiprocessing::pool
