// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <multiprocessing/detail/pool_handle.hpp>
#include <multiprocessing/detail/pool_task.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/process.hpp>
#include <utility>

#include "memory/parcel.hpp"
#include "pool/core.hpp"

namespace multiprocessing::detail {
namespace {

constexpr std::int64_t kMostWorkers = 60'000;

}  // namespace

std::uint32_t checked_workers(std::optional<std::int64_t> processes) {
  if (!processes) return static_cast<std::uint32_t>(cpu_count());
  if (*processes >= 1 && *processes <= kMostWorkers) return static_cast<std::uint32_t>(*processes);
  throw ValueError(fmt::format(
      "a pool of {} workers is not possible: give a number from 1 to {}, or none for one a CPU",
      *processes, kMostWorkers));
}

std::uint32_t checked_maxtasks(std::optional<std::int64_t> maxtasksperchild) {
  if (!maxtasksperchild) return 0;
  if (*maxtasksperchild >= 1) {
    return static_cast<std::uint32_t>(std::min<std::int64_t>(*maxtasksperchild, UINT32_MAX));
  }
  throw ValueError(
      fmt::format("a worker that does {} tasks is of no use: give 1 or more, or none for no limit",
                  *maxtasksperchild));
}

std::int64_t checked_chunksize(std::int64_t chunksize) {
  if (chunksize >= 1) return chunksize;
  throw ValueError(fmt::format("chunks of {} items are not possible: give 1 or more", chunksize));
}

std::int64_t task_timeout_ns(Timeout timeout) {
  return timeout.is_forever() ? 0 : std::max<std::int64_t>(timeout.nanoseconds(), 1);
}

PoolHandle::PoolHandle(const PoolPlan& plan)
    : core_(std::make_shared<pool::Core>(pool::make_board(plan.workers, plan.maxtasksperchild),
                                         plan)) {
  core_->open();
}

PoolHandle::~PoolHandle() {
  if (!core_->own()) {
    // Its threads and mutexes are the parent's: nothing here may wait for them, or end them.
    static_cast<void>(new std::shared_ptr<pool::Core>(std::move(core_)));
    return;
  }
  core_->end();
}

std::shared_ptr<JobHost> PoolHandle::host() const { return core_; }
TaskHost& PoolHandle::tasks() const noexcept { return *core_; }
std::uint32_t PoolHandle::workers() const noexcept { return core_->workers(); }
void PoolHandle::require_open() const { core_->require_open(); }
void PoolHandle::close() const {
  core_->require_own();
  core_->close();
}
void PoolHandle::terminate(int signal, bool wait) const {
  core_->require_own();
  core_->terminate(signal, wait);
}
void PoolHandle::join() const {
  core_->require_own();
  core_->join(os::Deadline::never());
}
void PoolHandle::shutdown(bool wait, bool cancel) const {
  core_->require_own();
  core_->close();
  if (cancel) core_->cancel_waiting();
  if (wait) core_->join(os::Deadline::never());
}
std::vector<WorkerStats> PoolHandle::stats() const {
  core_->require_own();
  return core_->staff().stats();
}

PoolHandle::Attention::Attention(const PoolHandle& pool)
    : core_(pool.core()), mine_(core_.own() && core_.take_attention()) {}
PoolHandle::Attention::~Attention() {
  if (mine_) core_.leave_attention();
}

ChunkWriter::ChunkWriter(TaskHost& host, std::shared_ptr<Job> job, TaskCode code, TaskLimits limits)
    : host_(host), job_(std::move(job)), code_(code), limits_(limits) {
  job_->number = host_.begin_call();
}

ChunkWriter::~ChunkWriter() {
  if (parcel_ != nullptr) memory::free_parcel(static_cast<memory::Parcel*>(parcel_));
}

void ChunkWriter::reserve(std::size_t bytes) {
  memory::Parcel* parcel = memory::make_parcel(bytes, 0, {});
  parcel_ = parcel;
  encoder_.move_to(parcel->payload());
}

void ChunkWriter::submit() {
  if (items_ == 0) return;
  const NewChunk chunk{job_, code_, submitted_, items_, task_timeout_ns(limits_.timeout)};
  const bool in_parcel = parcel_ != nullptr;
  host_.submit(chunk, encoder_,
               pool::ParcelOwner(static_cast<memory::Parcel*>(std::exchange(parcel_, nullptr))));
  submitted_ += items_;
  items_ = 0;
  // What lay in a parcel is the pool's from here on.
  if (in_parcel) encoder_ = Encoder();
  encoder_.clear();
}

}  // namespace multiprocessing::detail
