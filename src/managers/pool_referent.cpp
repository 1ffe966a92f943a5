// SPDX-License-Identifier: BSL-1.0
#include "managers/pool_referent.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <multiprocessing/detail/managers/waits.hpp>
#include <multiprocessing/detail/pool_task.hpp>
#include <multiprocessing/errors.hpp>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "managers/client.hpp"
#include "managers/initializer.hpp"
#include "managers/link.hpp"
#include "managers/server_core.hpp"
#include "os/clock.hpp"
#include "os/signal_mask.hpp"
#include "os/thread.hpp"
#include "pool/core.hpp"
#include "process/error_codec.hpp"

namespace multiprocessing::managers {

using detail::Method;
using detail::PoolHandle;
using detail::run_method;
using detail::ServerCall;

namespace {

// One reply takes no more than that, unless a single result is larger.
constexpr std::uint64_t kBatchBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kReplyMargin = 64;  // what stands around results in a reply

// Workers may take seconds to end, and who drops the last reference has others to serve.
void end_elsewhere(std::shared_ptr<PoolHandle> pool) noexcept {
  struct Ending {
    os::ThreadStart thread;
    std::shared_ptr<PoolHandle> pool;
  };
  try {
    auto ending = std::make_unique<Ending>(Ending{{}, std::move(pool)});
    ending->thread = {"mp pool ending",
                      [](void* argument) { delete static_cast<Ending*>(argument); }, ending.get()};
    os::start_library_thread(ending->thread);
    static_cast<void>(ending.release());
  } catch (const std::exception&) {
    // No memory, or no thread: then it has ended here.
  }
}

// What a worker calls first: it learns the key of the server, of which proxies may come with tasks.
class WorkerBeginning final : public detail::Target {
 public:
  WorkerBeginning(Address address, AuthKey key, Initializer initializer)
      : address_(std::move(address)), key_(std::move(key)), initializer_(std::move(initializer)) {}

  void call() override {
    // For the worker's whole life.
    static auto* const links = new std::vector<std::shared_ptr<ServerLink>>;
    links->push_back(ServerLink::to(address_, key_));
    if (initializer_.target != nullptr) initializer_.target->call();
  }
  void encode(detail::Encoder& encoder) const override {
    detail::encode_function(encoder, &WorkerBeginning::decode);
    detail::encode(encoder, address_);
    detail::encode(encoder, std::vector<std::byte>(key_.bytes().begin(), key_.bytes().end()));
    detail::encode(encoder, initializer_);
  }

 private:
  static std::shared_ptr<detail::Target> decode(detail::Decoder& decoder) {
    auto address = detail::decode<Address>(decoder);
    auto key = detail::decode<std::vector<std::byte>>(decoder);
    return std::make_shared<WorkerBeginning>(std::move(address), AuthKey(std::move(key)),
                                             detail::decode<Initializer>(decoder));
  }

  const Address address_;
  const AuthKey key_;
  const Initializer initializer_;
};

// What `find` finds of the caller's code in this process. THROWS: RuntimeError.
template <class Find> auto found_here(const Find& find) {
  try {
    return find();
  } catch (const RuntimeError& error) {
    throw RuntimeError(fmt::format(
        "Pool of a manager: its server runs another program, or another build of this one, and "
        "cannot call this program's functions: {}",
        error.what()));
  }
}

// Code is not const data, but POSIX wants the two to convert.
void* code_here(const os::CodeName& name) { return const_cast<void*>(os::find_code(name)); }

detail::TaskCode code_of(const PoolChunk& chunk) {
  return found_here([&] {
    detail::TaskCode code;
    code.entry = reinterpret_cast<detail::TaskEntry>(code_here(chunk.entry));
    if (chunk.function) code.function = reinterpret_cast<void (*)()>(code_here(*chunk.function));
    return code;
  });
}

// More than it takes in a frame.
std::uint64_t bytes_of(const PoolResults& results) noexcept {
  return 128 + results.outcomes.bytes.size() + 16 * results.outcomes.handles.size();
}

// Says why there is nothing else to be said of these items.
void lose(PoolResults& results, const std::exception_ptr& error) {
  detail::Encoder encoder;
  process::encode_error(encoder, error);
  results.lost = true;
  results.outcomes = RawBytes(encoder.bytes(), {});
}

// The server's end of a chunk's job: it hands results on as they are.
class ChunkJob final : public detail::Job {
 public:
  ChunkJob(std::shared_ptr<detail::JobHost> host, std::weak_ptr<detail::Referent> customer,
           std::uint64_t chunk)
      : Job(std::move(host)), customer_(std::move(customer)), chunk_(chunk) {}

  void accept(std::size_t first, std::size_t count, detail::Decoder& results) override {
    const std::size_t size = results.remaining();
    deliver({chunk_, first, count, false, RawBytes({results.view(size), size}, results.handles())});
  }
  void fail(std::size_t item, std::exception_ptr error) override {
    PoolResults results{chunk_, item, 1, true, {}};
    lose(results, error);
    deliver(std::move(results));
  }

 private:
  void deliver(PoolResults results) const {
    const auto customer = customer_.lock();
    if (customer != nullptr) static_cast<PoolCustomer&>(*customer).deliver(std::move(results));
  }

  const std::weak_ptr<detail::Referent> customer_;
  const std::uint64_t chunk_;
};

}  // namespace

PoolReferent::PoolReferent(ServerCall& call) {
  const ServerCore& server = call.server();
  using Number = std::optional<std::int64_t>;
  detail::PoolPlan plan;
  plan.workers = detail::checked_workers(call.arg<Number>());
  plan.maxtasksperchild = detail::checked_maxtasks(call.arg<Number>());
  plan.task_timeout_ns = call.arg<std::int64_t>();
  plan.initializer =
      std::make_shared<WorkerBeginning>(server.address(), server.settings().authkey,
                                        found_here([&] { return call.arg<Initializer>(); }));
  // Workers get the mask of the thread that makes the pool, and the server's own threads let no
  // signal through.
  const os::SignalMask open(SIG_SETMASK, os::no_signals());
  pool_ = std::make_shared<PoolHandle>(plan);
}

PoolReferent::~PoolReferent() { end_elsewhere(std::move(pool_)); }

std::span<const Method> PoolReferent::methods() const {
  using Self = PoolReferent;
  static constexpr Method kMethods[] = {
      {"customer", "", run_method<Self, &Self::customer>},
      {"close", "", run_method<Self, &Self::close>},
      {"terminate", "", run_method<Self, &Self::terminate>},
      {"join", "", run_method<Self, &Self::join>},
      {"stats", "", run_method<Self, &Self::stats>},
  };
  return kMethods;
}

void PoolReferent::customer(ServerCall& call) {
  call.reply_object(std::make_shared<PoolCustomer>(pool_));
}
void PoolReferent::close(ServerCall& /*call*/) { pool_->close(); }
void PoolReferent::terminate(ServerCall& /*call*/) { pool_->terminate(SIGTERM, true); }
void PoolReferent::join(ServerCall& call) {
  while (!pool_->core().join(os::Deadline::after(std::chrono::milliseconds(100))))
    call.check_caller();
}
void PoolReferent::stats(ServerCall& call) { call.reply(pool_->stats()); }

PoolCustomer::~PoolCustomer() {
  for (const auto& [_, chunk] : chunks_) chunk.job->abandon();
}

std::span<const Method> PoolCustomer::methods() const {
  using Self = PoolCustomer;
  static constexpr Method kMethods[] = {
      {"workers", "", run_method<Self, &Self::workers>},
      {"begin", "", run_method<Self, &Self::begin>},
      {"submit", "chunk", run_method<Self, &Self::submit>},
      {"results", "timeout", run_method<Self, &Self::results>},
      {"abandon", "chunks", run_method<Self, &Self::abandon>},
  };
  return kMethods;
}

std::shared_ptr<PoolHandle> PoolCustomer::pool() const {
  if (auto pool = pool_.lock()) return pool;
  throw ValueError("this Pool of a manager takes no more tasks: its last proxy is gone");
}

void PoolCustomer::workers(ServerCall& call) { call.reply(pool()->workers()); }
void PoolCustomer::begin(ServerCall& call) { call.reply(pool()->tasks().begin_call()); }

void PoolCustomer::submit(ServerCall& call) {
  const auto chunk = call.arg<PoolChunk>();
  const auto pool = this->pool();
  const detail::TaskCode code = code_of(chunk);
  const auto job = std::make_shared<ChunkJob>(pool->host(), weak_from_this(), chunk.id);
  job->number = chunk.call;
  // The pool's own thread collects: the one that serves this call does not stay.
  job->unattended = true;
  detail::Encoder arguments;
  arguments.write(chunk.arguments.bytes.data(), chunk.arguments.bytes.size());
  for (const detail::Handle& handle : chunk.arguments.handles) arguments.attach_handle(handle);
  {
    const std::lock_guard guard(mutex_);
    chunks_.emplace(chunk.id, Chunk{job, chunk.items});
  }
  try {
    pool->tasks().submit({job, code, chunk.first_item, chunk.items, chunk.timeout_ns}, arguments,
                         {});
  } catch (...) {
    const std::lock_guard guard(mutex_);
    chunks_.erase(chunk.id);
    throw;
  }
}

void PoolCustomer::deliver(PoolResults results) {
  const std::lock_guard guard(mutex_);
  if (!chunks_.contains(results.chunk)) return;
  results_.push_back(std::move(results));
  changed_.notify_all();
}

void PoolCustomer::results(ServerCall& call) {
  const os::Deadline deadline = os::Deadline::after(detail::timeout_of_wait(call));
  const bool in_tree = call.caller().client->in_tree;
  const std::uint64_t limit = call.server().settings().max_message_bytes;
  const std::uint64_t longest = limit - std::min(limit, kReplyMargin);
  std::vector<PoolResults> taken;
  std::unique_lock lock(mutex_);
  while (results_.empty() && !chunks_.empty()) {
    if (!call.wait(lock, changed_, deadline)) break;
  }
  for (std::uint64_t bytes = 0; !results_.empty(); results_.pop_front()) {
    PoolResults& next = results_.front();
    if (!in_tree && !next.outcomes.handles.empty()) {
      lose(next, std::make_exception_ptr(TypeError(
                     "the result contains a shared object (a Lock, a Queue…), which reaches only "
                     "processes of the server's own program")));
    } else if (bytes_of(next) > longest) {
      lose(next, std::make_exception_ptr(ValueError(fmt::format(
                     "the results of a chunk have {} bytes, and the manager's max_message_bytes is "
                     "{}",
                     next.outcomes.bytes.size(), limit))));
    }
    bytes += bytes_of(next);
    if (!taken.empty() && bytes > std::min(longest, kBatchBytes)) break;
    const auto found = chunks_.find(next.chunk);
    if (found == chunks_.end()) continue;
    if ((found->second.left -= next.items) == 0) chunks_.erase(found);
    taken.push_back(std::move(next));
  }
  lock.unlock();
  call.reply(taken);
}

void PoolCustomer::abandon(ServerCall& call) {
  std::vector<std::shared_ptr<detail::Job>> jobs;
  {
    const auto ids = call.arg<std::vector<std::uint64_t>>();
    const std::lock_guard guard(mutex_);
    for (const std::uint64_t id : ids) {
      const auto found = chunks_.find(id);
      if (found == chunks_.end()) continue;
      jobs.push_back(std::move(found->second.job));
      chunks_.erase(found);
    }
    changed_.notify_all();
  }
  for (const auto& job : jobs) job->abandon();
}

}  // namespace multiprocessing::managers
