// SPDX-License-Identifier: BSL-1.0
#include "pool/staff.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <multiprocessing/errors.hpp>
#include <new>
#include <system_error>

#include "os/clock.hpp"
#include "os/poll.hpp"
#include "process/tree.hpp"

namespace multiprocessing::pool {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kGraceNs = 1'000 * kMs;  // between SIGTERM and SIGKILL
constexpr std::int64_t kLongestBackOffNs = 1'000 * kMs;
constexpr std::int64_t kFirstBackOffNs = 10 * kMs;
constexpr unsigned kMostFailedStarts = 8;
constexpr unsigned kMostKilledStarts = 30;  // by others, who may stop doing so
constexpr std::int64_t kNever = INT64_MAX;

// Python's, where the word Process gives way.
std::string worker_name(const std::string& process_name) {
  constexpr std::string_view kProcess = "Process";
  return "PoolWorker" +
         process_name.substr(process_name.starts_with(kProcess) ? kProcess.size() : 0);
}

void clear(WorkerPlace& place) noexcept {
  place.ready.store(0);
  place.at.store(0);
  place.looking.store(0);
  place.tasks.store(0);
  place.busy_ns.store(0);
  place.since_ns.store(0);
}

}  // namespace

Staff::Staff(memory::Handle board, StaffPlan plan)
    : handle_(std::move(board)),
      board_(static_cast<Board&>(handle_.as<memory::ObjectHeader>())),
      plan_(std::move(plan)),
      alarm_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      workers_(plan_.workers) {
  if (!alarm_) throw std::system_error(errno, std::generic_category(), "cannot make an eventfd");
  ::pthread_sigmask(SIG_BLOCK, nullptr, &signals_);
  try {
    for (std::uint32_t i = 0; i < plan_.workers; ++i) start(i);
  } catch (...) {
    kill_all();
    throw;
  }
}

void Staff::kill_all() noexcept {
  for (Worker& worker : workers_) {
    if (!worker.process) continue;
    try {
      worker.process->kill();
      worker.process->join();
    } catch (const std::exception&) {
      // Out of reach; it ends with this process.
    }
  }
}

Staff::~Staff() = default;

void Staff::start(std::uint32_t place) {
  WorkerBody body;
  body.board = handle_;
  body.place = place;
  body.ticket = ++last_ticket_ & kTicketMask;
  body.signals = signals_;
  body.initializer = plan_.initializer;
  const Ticket ticket = body.ticket;
  clear(board_.worker(place));
  Process process({.daemon = plan_.daemons}, std::move(body));
  std::string name = worker_name(process.name());
  process.name(name);
  process::Access::core(process)->launcher = plan_.launcher;
  process.start();
  const std::lock_guard guard(mutex_);
  Worker& worker = workers_[place];
  worker.pid = process.pid();
  worker.name = std::move(name);
  worker.ticket = ticket;
  worker.kill_at = 0;
  ++worker.starts;
  worker.process.emplace(std::move(process));
}

void Staff::keep(const Listener& listener) {
  try {
    look_after(listener);
  } catch (const std::exception& error) {
    // The program has closed a worker's pidfd, or a worker has become somebody whom it may not
    // signal.
    listener.broken(std::make_exception_ptr(BrokenProcessPool(fmt::format(
        "this pool cannot go on: it cannot look after its workers: {}", error.what()))));
    kill_all();
  }
  listener.all_gone();
}

void Staff::look_after(const Listener& listener) {
  for (;;) {
    const bool any_alive = look_at_ends(listener);
    if (dismissed_.load() && !any_alive) return;
    if (!dismissed_.load()) start_due(listener);
    enforce();
    sleep();
  }
}

// Says whether any is left.
bool Staff::look_at_ends(const Listener& listener) {
  bool any_alive = false;
  for (std::uint32_t i = 0; i < plan_.workers; ++i) {
    if (!workers_[i].process) continue;
    if (const std::optional<int> exitcode = workers_[i].process->exitcode()) {
      note_end(i, *exitcode, listener);
    } else {
      any_alive = true;
    }
  }
  return any_alive;
}

void Staff::note_end(std::uint32_t i, int exitcode, const Listener& listener) {
  Worker& worker = workers_[i];
  WorkerPlace& place = board_.worker(i);
  const Death death{worker.ticket, worker.pid, exitcode};
  // It may have been killed while it was.
  place.looking.store(0);
  const bool was_ready = place.ready.load(std::memory_order_acquire) != 0;
  const std::exception_ptr error = take_error(place);
  {
    const std::lock_guard guard(mutex_);
    worker.process.reset();
    worker.pid = 0;
    worker.start_at = 0;
  }
  listener.died(death);
  if (error != nullptr) return listener.broken(error);
  if (was_ready) {
    worker.failed_starts = 0;
  } else if (!dismissed_.load()) {
    note_failed_start(i, fmt::format("ended with exit code {} before it was ready", exitcode),
                      exitcode == -SIGKILL ? kMostKilledStarts : kMostFailedStarts, listener);
  }
}

bool Staff::any_ready() noexcept {
  for (std::uint32_t i = 0; i < plan_.workers; ++i) {
    if (workers_[i].process && board_.worker(i).ready.load() != 0) return true;
  }
  return false;
}

// A worker that cannot even begin is tried again ever more slowly, and where no other one can
// either, not for ever.
void Staff::note_failed_start(std::uint32_t place, const std::string& why, unsigned most,
                              const Listener& listener) {
  const unsigned failed = ++workers_[place].failed_starts;
  workers_[place].start_at =
      os::now_ns() + std::min(kFirstBackOffNs << std::min(failed - 1, 10U), kLongestBackOffNs);
  if (failed < most || any_ready()) return;
  listener.broken(std::make_exception_ptr(BrokenProcessPool(fmt::format(
      "this pool cannot go on: {} workers in a row did not start, of which the last one {}; look "
      "at what its initializer does",
      failed, why))));
}

void Staff::start_due(const Listener& listener) {
  for (std::uint32_t i = 0; i < plan_.workers; ++i) {
    if (workers_[i].process || workers_[i].start_at > os::now_ns()) continue;
    try {
      start(i);
    } catch (const std::exception& error) {
      note_failed_start(i, fmt::format("could not be started: {}", error.what()), kMostFailedStarts,
                        listener);
    }
    if (dismissed_.load()) return;
  }
}

// Tells to end, and kills, whom it is time for.
void Staff::enforce() {
  next_look_ = kNever;
  const std::int64_t now = os::now_ns();
  const int signal = stop_signal_.load();
  const bool timeouts = least_timeout_.load() != kNever;
  for (std::uint32_t i = 0; i < plan_.workers; ++i) {
    Worker& worker = workers_[i];
    if (!worker.process) {
      if (!dismissed_.load()) next_look_ = std::min(next_look_, worker.start_at);
      continue;
    }
    if (signal != 0 && worker.kill_at == 0) {
      worker.process->send_signal(signal);
      worker.kill_at = now + kGraceNs;
    }
    if (timeouts && worker.kill_at == 0) {
      next_look_ = std::min(next_look_, check_timeout(worker, board_.worker(i)));
    }
    if (worker.kill_at == 0) continue;
    if (worker.kill_at <= now) {
      worker.process->kill();
      worker.kill_at = now + kGraceNs;
    }
    next_look_ = std::min(next_look_, worker.kill_at);
  }
}

// Says when to look again. A worker whose item ran for too long can end no other item: its next
// step fails by the mark that is set here.
std::int64_t Staff::check_timeout(Worker& worker, WorkerPlace& place) {
  const std::uint32_t at = place.at.load(std::memory_order_acquire);
  const std::int64_t now = os::now_ns();
  // What it takes from here on cannot be over before.
  const std::int64_t of_next = now + least_timeout_.load();
  if (at == 0) return of_next;
  TaskSlot& slot = board_.slot(at - 1);
  const std::uint64_t state = slot.state.load(std::memory_order_acquire);
  if (stage_in(state) != Stage::kTaken || ticket_in(state) != worker.ticket) {
    return of_next;
  }
  const std::int64_t timeout = slot.timeout_ns;
  if (timeout == 0) return of_next;
  std::uint64_t progress = slot.progress.load(std::memory_order_acquire);
  const std::uint32_t begun = begun_in(progress, issue_in(state));
  if (begun == 0 || begun > slot.count) return of_next;
  const std::int64_t end = slot.begun_ns.load(std::memory_order_acquire) + timeout;
  if (end > now) return end;
  if ((progress & kExpired) == 0 &&
      !slot.progress.compare_exchange_strong(progress, progress | kExpired)) {
    return now;
  }
  worker.process->send_signal(SIGTERM);
  worker.kill_at = now + kGraceNs;
  return worker.kill_at;
}

void Staff::sleep() {
  std::vector<pollfd> entries{{alarm_.get(), POLLIN, 0}};
  for (const Worker& worker : workers_) {
    if (worker.process) entries.push_back({worker.process->sentinel(), POLLIN, 0});
  }
  if (entries.size() == 1 && dismissed_.load()) return;
  const std::int64_t now = os::now_ns();
  const os::Deadline until = next_look_ == kNever
                                 ? os::Deadline::never()
                                 : os::Deadline::after(std::chrono::nanoseconds(
                                       std::max<std::int64_t>(next_look_ - now, 0)));
  os::poll_until(entries, until);
  std::uint64_t count = 0;
  while (::read(alarm_.get(), &count, sizeof count) < 0 && errno == EINTR) {
  }
}

void Staff::wake() noexcept {
  const std::uint64_t one = 1;
  while (::write(alarm_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void Staff::dismiss() {
  dismissed_.store(true);
  board_.stop.store(1);
  board_.idle.notify_all();
  wake();
}

void Staff::stop(int signal) {
  stop_signal_.store(signal);
  dismiss();
}

void Staff::watch_timeout(std::int64_t timeout_ns) noexcept {
  std::int64_t least = least_timeout_.load(std::memory_order_relaxed);
  while (timeout_ns < least) {
    if (least_timeout_.compare_exchange_weak(least, timeout_ns)) return wake();
  }
}

std::vector<WorkerStats> Staff::stats() const {
  const std::lock_guard guard(mutex_);
  std::vector<WorkerStats> result;
  for (std::uint32_t i = 0; i < plan_.workers; ++i) {
    const Worker& worker = workers_[i];
    WorkerPlace& place = board_.worker(i);
    WorkerStats stats{worker.name, worker.pid, place.tasks.load(),
                      0,           0,          worker.starts > 0 ? worker.starts - 1 : 0};
    const std::int64_t since = place.since_ns.load();
    if (since != 0 && worker.pid != 0) {
      const std::int64_t busy = place.busy_ns.load();
      stats.busy_seconds = static_cast<double>(busy) * 1e-9;
      stats.idle_seconds =
          static_cast<double>(std::max<std::int64_t>(os::now_ns() - since - busy, 0)) * 1e-9;
    }
    result.push_back(std::move(stats));
  }
  return result;
}

}  // namespace multiprocessing::pool
