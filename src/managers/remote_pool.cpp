// SPDX-License-Identifier: BSL-1.0
#include "managers/remote_pool.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <multiprocessing/detail/future_waiter.hpp>
#include <multiprocessing/detail/managers/pool.hpp>
#include <multiprocessing/errors.hpp>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "connection/parking.hpp"
#include "os/thread.hpp"
#include "pool/ending.hpp"
#include "process/error_codec.hpp"
#include "process/exit.hpp"

namespace multiprocessing::managers {
namespace {

// As Python's pools: before what its users may have asked for at the end.
constexpr int kExitPriority = 15;

// The pool whose results this thread fetches.
thread_local const RemotePool* fetching_here = nullptr;

PoolChunk message_of(const detail::NewChunk& chunk, const detail::Encoder& arguments) {
  PoolChunk message;
  message.call = chunk.job->number;
  message.first_item = chunk.first_item;
  message.items = chunk.items;
  message.timeout_ns = chunk.timeout_ns;
  message.entry = os::name_code(reinterpret_cast<const void*>(chunk.code.entry));
  if (chunk.code.function != nullptr) {
    message.function = os::name_code(reinterpret_cast<const void*>(chunk.code.function));
  }
  message.arguments = RawBytes(arguments.bytes(), arguments.handles());
  for (const detail::Handle& handle : connection::park(arguments.descriptors())) {
    message.arguments.handles.push_back(handle);
  }
  return message;
}

std::shared_ptr<const ProxyCore> make_customer(const ProxyCore& pool) {
  return detail::ProxyCall(&pool, "customer").run_made();
}

}  // namespace

RemotePool::RemotePool(const ProxyCore& pool)
    : customer_(make_customer(pool)), workers_(ask<std::uint32_t>("workers")) {}

template <class R, class... Args>
R RemotePool::ask(detail::MethodName method, const Args&... args) const {
  detail::ProxyCall call(customer_.get(), method);
  (call.add(args), ...);
  return call.run<R>();
}

std::uint64_t RemotePool::begin_call() { return ask<std::uint64_t>("begin"); }

void RemotePool::submit(const detail::NewChunk& chunk, const detail::Encoder& arguments,
                        pool::ParcelOwner /*parcel*/) {
  PoolChunk message = message_of(chunk, arguments);
  {
    const std::lock_guard guard(mutex_);
    if (!has_thread_) start_thread();
    message.id = ++last_chunk_;
    // Its results may be here before the server's answer is.
    chunks_.emplace(message.id, Chunk{chunk.job, chunk.first_item, chunk.items});
  }
  try {
    ask<void>("submit", message);
  } catch (...) {
    forget(message.id);
    throw;
  }
  note_sent(message.id);
}

void RemotePool::note_sent(std::uint64_t chunk) {
  const std::lock_guard guard(mutex_);
  const auto found = chunks_.find(chunk);
  if (found == chunks_.end()) return;
  found->second.sent = true;
  ++sent_;
  changed_.notify_all();
}

void RemotePool::forget(std::uint64_t chunk) {
  Chunk forgotten{};  // dropped without the mutex
  const std::lock_guard guard(mutex_);
  const auto found = chunks_.find(chunk);
  if (found == chunks_.end()) return;
  forgotten = std::move(found->second);
  if (forgotten.sent) --sent_;
  chunks_.erase(found);
  changed_.notify_all();
}

std::shared_future<void> RemotePool::leave() noexcept {
  const std::lock_guard guard(mutex_);
  left_ = true;
  changed_.notify_all();
  if (fetching_here == this) return {};
  const bool goes_on = std::any_of(chunks_.begin(), chunks_.end(),
                                   [](const auto& entry) { return entry.second.left != 0; });
  return goes_on ? std::shared_future<void>() : thread_ended_;
}

void RemotePool::await_results() noexcept {
  if (fetching_here == this) return;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return chunks_.empty(); });
}

// REQUIRES: mutex_.
void RemotePool::start_thread() {
  struct Start {
    os::ThreadStart thread;
    std::promise<void> ended;
    std::shared_ptr<RemotePool> pool;
    process::FinalizerId at_exit = 0;
  };
  auto start = std::make_unique<Start>(Start{{}, {}, shared_from_this()});
  start->thread = {"mp pool results",
                   [](void* argument) {
                     const std::unique_ptr<Start> own(static_cast<Start*>(argument));
                     own->pool->serve();
                     process::remove_finalizer(own->at_exit);
                     own->pool.reset();
                     own->ended.set_value();
                   },
                   start.get()};
  auto ended = start->ended.get_future().share();
  start->at_exit = process::add_finalizer(kExitPriority, [weak = weak_from_this()] {
    if (const auto pool = weak.lock()) pool->give_up();
  });
  try {
    os::start_library_thread(start->thread);
  } catch (...) {
    process::remove_finalizer(start->at_exit);
    throw;
  }
  thread_ended_ = std::move(ended);
  static_cast<void>(start.release());
  has_thread_ = true;
}

void RemotePool::give_up() noexcept {
  Chunks given_up;
  std::shared_future<void> thread_ended;
  {
    const std::lock_guard guard(mutex_);
    left_ = true;
    sent_ = 0;
    given_up.swap(chunks_);
    thread_ended = thread_ended_;
    changed_.notify_all();
  }
  tell_of_abandoned(given_up);
  if (fetching_here != this && thread_ended.valid()) thread_ended.wait_for(kLongestCallback);
}

void RemotePool::serve() {
  fetching_here = this;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return sent_ != 0 || (left_ && chunks_.empty()); });
      if (sent_ == 0) {
        has_thread_ = false;
        return;
      }
    }
    take_results(forever);
  }
}

// In the thread, also while it runs a callback which waits for another result.
void RemotePool::take_results(Timeout timeout) {
  if (arrived_.empty()) {
    try {
      auto all = ask<std::vector<PoolResults>>("results", detail::seconds_of(timeout));
      for (PoolResults& each : all) arrived_.push_back(std::move(each));
    } catch (const std::system_error& error) {
      const int number = error.code().value();
      if (number != ECONNREFUSED && number != ENOENT) return fail_all(std::current_exception());
      // It ended between two connections; who waits sees no difference.
      return fail_all(std::make_exception_ptr(EOFError(error.what())));
    } catch (...) {
      return fail_all(std::current_exception());
    }
  }
  while (!arrived_.empty()) {
    const PoolResults next = std::move(arrived_.front());
    arrived_.pop_front();
    accept(next);
  }
}

void RemotePool::accept(const PoolResults& results) {
  std::shared_ptr<detail::Job> job;
  bool all = false;
  {
    const std::lock_guard guard(mutex_);
    const auto found = chunks_.find(results.chunk);
    if (found == chunks_.end()) return;
    Chunk& chunk = found->second;
    job = chunk.job;
    chunk.next += results.items;
    chunk.left -= results.items;
    all = chunk.left == 0;
  }
  const auto fail = [&](const std::exception_ptr& error) {
    for (std::size_t i = 0; i < results.items; ++i) job->fail(results.first_item + i, error);
  };
  try {
    const pool::NeededByEnd needed;
    const RawBytes& raw = results.outcomes;
    connection::Unparked unparked(raw.handles);
    detail::Decoder decoder(raw.bytes, raw.handles, unparked.descriptors());
    if (results.lost) {
      fail(process::decode_error(decoder));
    } else {
      job->accept(results.first_item, results.items, decoder);
    }
  } catch (const std::exception&) {
    // No room for the descriptors.
    fail(std::current_exception());
  }
  job->note_ended(results.items);
  if (all) forget(results.chunk);
}

void RemotePool::fail_all(const std::exception_ptr& error) {
  std::vector<Chunk> failed;
  {
    const std::lock_guard guard(mutex_);
    // Who is handing one in gets an error of its own.
    for (const auto& [_, chunk] : chunks_) {
      if (chunk.sent) failed.push_back(chunk);
    }
    std::erase_if(chunks_, [](const auto& entry) { return entry.second.sent; });
    sent_ = 0;
  }
  for (const Chunk& chunk : failed) {
    for (std::size_t i = 0; i < chunk.left; ++i) chunk.job->fail(chunk.next + i, error);
    chunk.job->note_ended(chunk.left);
  }
  const std::lock_guard guard(mutex_);
  changed_.notify_all();
}

void RemotePool::require_own() const {
  if (maker_ == os::fork_generation()) return;
  throw RuntimeError(
      "this call of a PoolProxy belongs to the process that made it, and this is a child of that; "
      "call here");
}

bool RemotePool::collect(Satisfied satisfied, void* context, Timeout timeout) {
  require_own();
  // For a callback that waits nobody else would fetch the results.
  if (fetching_here != this) return false;
  const detail::WaitLimit limit(timeout);
  while (!satisfied(context)) {
    const Timeout left = limit.left();
    if (!left.is_forever() && left.nanoseconds() == 0) break;
    take_results(left);
  }
  return true;
}

void RemotePool::call_back(std::shared_ptr<detail::Job> job) {
  std::optional<os::ProgramCode> code;
  if (fetching_here == this) code.emplace();
  job->run_callbacks();
}

void RemotePool::abandon(detail::Job& job) noexcept {
  Chunks abandoned;
  {
    const std::lock_guard guard(mutex_);
    for (auto at = chunks_.begin(); at != chunks_.end();) {
      const auto next = std::next(at);
      if (at->second.job.get() == &job) {
        if (at->second.sent) --sent_;
        abandoned.insert(chunks_.extract(at));
      }
      at = next;
    }
    changed_.notify_all();
  }
  tell_of_abandoned(abandoned);
}

void RemotePool::tell_of_abandoned(const Chunks& chunks) const noexcept {
  if (chunks.empty()) return;
  try {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, _] : chunks) ids.push_back(id);
    ask<void>("abandon", ids);
  } catch (const std::exception&) {
    // The server has ended, and the tasks with it.
  }
}

}  // namespace multiprocessing::managers

namespace multiprocessing::detail {

using managers::RemotePool;

struct RemotePoolHandle::State {
  explicit State(std::shared_ptr<const managers::ProxyCore> of) : pool(std::move(of)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (remote == nullptr || generation != os::fork_generation()) return;
    const auto thread_ended = remote->leave();
    remote.reset();
    // So that it does nothing more in a program that ends. A callback may keep it for longer.
    if (thread_ended.valid()) thread_ended.wait_for(managers::kLongestCallback);
  }

  const std::shared_ptr<const managers::ProxyCore> pool;
  os::ForkMutex mutex;
  std::shared_ptr<RemotePool> remote;  // guarded by mutex; made at the first call
  std::uint32_t generation = 0;        // the same: of the process whose it is
};

RemotePoolHandle::RemotePoolHandle(std::shared_ptr<const managers::ProxyCore> pool)
    : state_(std::make_shared<State>(std::move(pool))) {}

std::shared_ptr<RemotePool> RemotePoolHandle::remote() const {
  if (state_ == nullptr) throw ValueError("this proxy names no object");
  const std::lock_guard guard(state_->mutex);
  if (state_->remote == nullptr || state_->generation != os::fork_generation()) {
    state_->remote = std::make_shared<RemotePool>(*state_->pool);
    state_->generation = os::fork_generation();
  }
  return state_->remote;
}

std::shared_ptr<JobHost> RemotePoolHandle::host() const { return remote(); }
TaskHost& RemotePoolHandle::tasks() const { return *remote(); }
std::uint32_t RemotePoolHandle::workers() const { return remote()->workers(); }

void RemotePoolHandle::await_results() const {
  if (state_ == nullptr) return;
  std::shared_ptr<RemotePool> used;
  {
    const std::lock_guard guard(state_->mutex);
    if (state_->generation == os::fork_generation()) used = state_->remote;
  }
  if (used != nullptr) used->await_results();
}

}  // namespace multiprocessing::detail
