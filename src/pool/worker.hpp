// SPDX-License-Identifier: BSL-1.0
// A worker process of a pool, from its start to its end.
#pragma once
#include <csignal>
#include <cstdint>
#include <memory>
#include <multiprocessing/detail/target.hpp>

#include "pool/layout.hpp"

namespace multiprocessing::pool {

/// What a worker is started with; a callable that goes to every kind of image.
class WorkerBody {
 public:
  memory::Handle board;
  std::uint32_t place = 0;
  Ticket ticket = 0;
  sigset_t signals{};  ///< its mask: that of the thread which made the pool
  std::shared_ptr<detail::Target> initializer;  ///< may be null

  void operator()();
};

}  // namespace multiprocessing::pool

namespace multiprocessing::detail {

template <> struct Traveller<pool::WorkerBody> {
  static void encode(Encoder& encoder, const pool::WorkerBody& body);
  static pool::WorkerBody decode(Decoder& decoder);
};

}  // namespace multiprocessing::detail
