// SPDX-License-Identifier: BSL-1.0
// A pool without its threads: the test is the parent, and plain children are the workers.
#pragma once
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <memory>
#include <multiprocessing/detail/typed_job.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/synchronize.hpp>
#include <string>
#include <utility>

#include "arena_test.hpp"
#include "pool/codes.hpp"
#include "pool/desk.hpp"
#include "pool/lines.hpp"
#include "pool/worker.hpp"

namespace multiprocessing::test {

using namespace pool;

inline constexpr Ticket kVictim = 1;
inline constexpr Ticket kSurvivor = 2;

/// How often each item was run, by whichever process.
using Runs = std::array<std::atomic<int>, 8>;
inline Runs& runs() {
  static Runs* const shared = static_cast<Runs*>(
      ::mmap(nullptr, sizeof(Runs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  return *shared;
}

inline int note_run(int item) {
  ++runs()[static_cast<std::size_t>(item)];
  return item * item;
}

enum class Arguments { kInline, kParcel };

class BarePoolTest : public ArenaTest {
 protected:
  static void SetUpTestSuite() { runs(); }

  void make(bool stop) {
    board_handle_ = make_board(2, 0);
    board().stop = stop ? 1 : 0;
    desk_ = std::make_unique<Desk>(board());
    codes_ = std::make_unique<CodeBook>();
    for (std::atomic<int>& count : runs()) count = 0;
  }
  void end() {
    desk_.reset();
    board_handle_ = {};
    memory::note_death();
    EXPECT_EQ(memory::usage().blocks, blocks_);
  }
  void forget_desk() { desk_.reset(); }
  void let_go() { board_handle_ = {}; }
  [[nodiscard]] Board& board() const {
    return static_cast<Board&>(board_handle_.as<memory::ObjectHeader>());
  }
  [[nodiscard]] Desk& desk() const { return *desk_; }

  // A chunk of the items from `first` on; wakes nobody.
  template <class R>
  std::shared_ptr<detail::StreamJob<R>> hand_out(R (*function)(int), int first, int count,
                                                 Arguments how = Arguments::kInline,
                                                 std::int64_t timeout_ns = 0) {
    using F = R (*)(int);
    auto job = std::make_shared<detail::StreamJob<R>>(nullptr, true);
    detail::Encoder items;
    for (int i = first; i < first + count; ++i) detail::encode<int>(items, i);
    Task task;
    task.job = job;
    task.count = static_cast<std::uint32_t>(count);
    task.timeout_ns = timeout_ns;
    task.code =
        codes_->name_of(board(), {&detail::TypedRunner<F, int, detail::Style::kWhole>::enter,
                                  reinterpret_cast<void (*)()>(function)});
    task.argument_bytes = items.size();
    if (how == Arguments::kParcel) {
      detail::Encoder handle;
      detail::encode<Event>(handle, Event());
      task.parcel = ParcelOwner(memory::make_parcel(items.size(), 0, handle.handles()));
      std::memcpy(task.parcel.get()->payload().data(), items.bytes().data(), items.size());
    }
    EXPECT_TRUE(desk().hand_out_now(task, items.bytes()));
    return job;
  }

  // As the process of that ticket.
  void work(Ticket ticket) const { work_at({board_handle_, ticket - 1, ticket, {}, nullptr}); }

  // As the pool does for a dead worker.
  void bury(Ticket ticket) const {
    board().worker(ticket - 1).looking = 0;
    desk().bury({ticket, 4711, -SIGKILL});
  }

 private:
  const std::size_t blocks_ = (memory::note_death(), memory::usage().blocks);
  memory::Handle board_handle_;
  std::unique_ptr<Desk> desk_;
  std::unique_ptr<CodeBook> codes_;
};

}  // namespace multiprocessing::test
