// SPDX-License-Identifier: BSL-1.0
// A worker process of a pool, from its start to its end.
#pragma once
#include <csignal>
#include <cstdint>
#include <exception>
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

/// What a worker does once its process is settled: the initializer, and tasks until it is to end.
void work_at(const WorkerBody& body);

/// What an initializer threw, on its way from a worker that is about to end to the parent.
void report_error(WorkerPlace& place, const std::exception_ptr& error);
/// Null: nothing, or the worker was killed before it had said it. REQUIRES: the worker has ended.
[[nodiscard]] std::exception_ptr take_error(WorkerPlace& place);

}  // namespace multiprocessing::pool

namespace multiprocessing::detail {

template <> struct Traveller<pool::WorkerBody> {
  static void encode(Encoder& encoder, const pool::WorkerBody& body);
  static pool::WorkerBody decode(Decoder& decoder);
};

}  // namespace multiprocessing::detail
