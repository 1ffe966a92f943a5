// SPDX-License-Identifier: BSL-1.0
#include "pool/core.hpp"

#include <fmt/format.h>

#include <csignal>
#include <multiprocessing/errors.hpp>
#include <utility>

#include "connection/parking.hpp"
#include "memory/parcel.hpp"
#include "os/clock.hpp"
#include "pool/ending.hpp"
#include "process/tree.hpp"

namespace multiprocessing::pool {
namespace {

constexpr std::chrono::seconds kLongestEnd{5};

}  // namespace

Core::Core(memory::Handle board, const detail::PoolPlan& plan)
    : plan_(plan),
      maker_(process::generation()),
      handle_(std::move(board)),
      board_(static_cast<Board&>(handle_.as<memory::ObjectHeader>())),
      desk_(board_),
      staff_(handle_, {plan.workers, !plan.executor, plan.launcher, plan.initializer}) {}

Core::~Core() = default;

bool Core::own() const noexcept { return maker_ == process::generation(); }

std::string Core::name() const { return plan_.executor ? "ProcessPoolExecutor" : "Pool"; }

void Core::open() {
  // Each thread keeps the pool until it ends.
  struct Started {
    std::shared_ptr<Core> core;
  };
  auto keeper = std::make_unique<Started>(Started{shared_from_this()});
  keeper_start_ = {"mp pool keeper",
                   [](void* argument) {
                     const std::unique_ptr<Started> started(static_cast<Started*>(argument));
                     Core& core = *started->core;
                     core.staff_.keep({[&core](const Death& death) {
                                         const std::lock_guard guard(core.mutex_);
                                         core.deaths_.push_back(death);
                                         core.notify();
                                       },
                                       [&core](std::exception_ptr error) {
                                         {
                                           const std::lock_guard guard(core.mutex_);
                                           if (core.broken_ == nullptr)
                                             core.broken_ = std::move(error);
                                         }
                                         core.staff_.stop(SIGTERM);
                                       },
                                       [&core] {
                                         const std::lock_guard guard(core.mutex_);
                                         core.staff_gone_ = true;
                                         core.notify();
                                       }});
                   },
                   keeper.get()};
  auto results = std::make_unique<Started>(Started{shared_from_this()});
  result_start_ = {"mp pool results",
                   [](void* argument) {
                     const std::unique_ptr<Started> started(static_cast<Started*>(argument));
                     started->core->serve_results();
                   },
                   results.get()};
  try {
    os::start_library_thread(keeper_start_);
    static_cast<void>(keeper.release());
    os::start_library_thread(result_start_);
    static_cast<void>(results.release());
  } catch (...) {
    keeper == nullptr ? staff_.stop(SIGKILL) : staff_.kill_all();
    throw;
  }
  const std::weak_ptr<Core> weak = weak_from_this();
  constexpr int kBeforeChildrenAreJoined = 15;
  finalizer_ = process::add_finalizer(kBeforeChildrenAreJoined, [weak] {
    const std::shared_ptr<Core> core = weak.lock();
    if (core == nullptr) return;
    core->finalizer_.reset();
    if (core->plan_.executor) {
      core->close();
      core->await_calls_at_exit();
    } else {
      core->terminate(SIGTERM, true);
    }
  });
}

void Core::require_own() const {
  if (own()) return;
  throw RuntimeError(fmt::format(
      "this {} belongs to the process that made it, and this is a child of that; make one here",
      name()));
}

void Core::require_open() {
  require_own();
  std::exception_ptr error;
  {
    const std::lock_guard guard(mutex_);
    error = broken_;
  }
  if (error == nullptr && state_.load() == State::kOpen) return;
  if (error == nullptr) error = closed_error();
  // Who sleeps collects nothing.
  if (collects_here() && waits_for_ending()) leave_attention();
  detail::fail_unless_ending(error);
}

std::exception_ptr Core::closed_error() const {
  if (plan_.executor) {
    return std::make_exception_ptr(
        RuntimeError("this ProcessPoolExecutor takes no more calls: it was shut down"));
  }
  return std::make_exception_ptr(
      ValueError("this Pool takes no more tasks: it was closed or terminated; make another one"));
}

std::uint64_t Core::begin_call() {
  require_open();
  return ++calls_;
}

void Core::submit(const detail::NewChunk& chunk, const detail::Encoder& arguments,
                  ParcelOwner parcel) {
  require_open();
  Task task;
  task.job = chunk.job;
  task.number = chunk.job->number;
  task.first_item = chunk.first_item;
  task.count = chunk.items;
  task.timeout_ns = chunk.timeout_ns != 0 ? chunk.timeout_ns : plan_.task_timeout_ns;
  task.code = codes_.name_of(board_, chunk.code);
  task.argument_bytes = arguments.size();
  if (task.timeout_ns != 0) staff_.watch_timeout(task.timeout_ns);
  const bool in_parcel = parcel.get() != nullptr && arguments.in_place() &&
                         arguments.handles().empty() && arguments.descriptors().empty();
  const bool fits = arguments.size() <= TaskSlot::kInlineArguments && arguments.handles().empty() &&
                    arguments.descriptors().empty();
  if (in_parcel) {
    task.parcel = std::move(parcel);
  } else if (!fits) {
    std::vector<memory::Handle> handles = arguments.handles();
    for (memory::Handle& handle : connection::park(arguments.descriptors())) {
      handles.push_back(std::move(handle));
    }
    task.parcel = ParcelOwner(memory::make_parcel(arguments.size(), 0, handles));
    std::memcpy(task.parcel.get()->payload().data(), arguments.bytes().data(), arguments.size());
  }
  const std::span<const std::byte> bytes = fits ? arguments.bytes() : std::span<const std::byte>();
  while (!desk_.hand_out_now(task, bytes)) {
    if (!collects_here()) {
      task.bytes.assign(bytes.begin(), bytes.end());
      desk_.put_off(std::move(task));
      break;
    }
    // Who waits for what it submits puts no more in than there is room for.
    collect_here(
        [](void* core) {
          auto& self = *static_cast<Core*>(core);
          return self.desk_.has_room() || self.failed_all_;
        },
        this, os::Deadline::never());
    require_open();
  }
  desk_.wake_workers();
  // It may have ended meanwhile: then whoever collects finds that it did.
  if (state_.load() != State::kOpen) notify();
  if (staff_gone()) fail_what_came_late();
  if (should_collect() && !collecting_.load()) call_result_thread();
}

bool Core::staff_gone() const {
  const std::lock_guard guard(mutex_);
  return staff_gone_;
}

bool Core::take_back(Job& job) {
  require_own();
  return desk_.take_back(job);
}

bool Core::begun(Job& job) {
  require_own();
  return desk_.begun(job);
}

void Core::abandon(Job& job) noexcept {
  if (!own()) return;
  desk_.abandon(job);
  // It may have been the last one of a pool that was closed.
  notify();
}

void Core::cancel_waiting() {
  for (const Task& task : desk_.take_all_back()) {
    task.job->note_cancelled(task.first_item, task.count);
  }
  notify();
}

void Core::close() {
  State open = State::kOpen;
  if (!state_.compare_exchange_strong(open, State::kClosed)) return;
  if (desk_.outstanding() == 0) dismiss_if_done();
  notify();
}

void Core::terminate(int signal, bool wait) {
  if (state_.exchange(State::kTerminated) != State::kTerminated) staff_.stop(signal);
  notify();
  if (wait) await_end(os::Deadline::after(kLongestEnd));
}

bool Core::join(const os::Deadline& deadline) {
  if (state_.load() == State::kOpen) {
    throw ValueError(fmt::format(
        "cannot join a {} that takes tasks: call close() or terminate() first", name()));
  }
  return await_end(deadline);
}

void Core::end() noexcept {
  if (const auto finalizer = std::exchange(finalizer_, std::nullopt)) {
    process::remove_finalizer(*finalizer);
  }
  if (plan_.executor) {
    close();
    await_end(os::Deadline::never());
  } else {
    terminate(SIGTERM, true);
  }
}

}  // namespace multiprocessing::pool
