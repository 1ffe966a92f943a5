// SPDX-License-Identifier: BSL-1.0
#include "pool/worker.hpp"

#include <cxxabi.h>
#include <unistd.h>

#include <cstring>
#include <exception>
#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/detail/pool_task.hpp>
#include <unordered_map>

#include "connection/parking.hpp"
#include "memory/parcel.hpp"
#include "memory/reference_word.hpp"
#include "os/clock.hpp"
#include "os/patience.hpp"
#include "pool/codes.hpp"
#include "pool/lines.hpp"
#include "pool/tray.hpp"
#include "process/error_codec.hpp"
#include "process/exit.hpp"
#include "process/tree.hpp"
#include "process/watch.hpp"
#include "queues/consumer.hpp"
#include "queues/reclaim.hpp"

namespace multiprocessing::pool {
namespace {

// The parent has stopped the item under way: this process is about to be killed, and takes no more.
struct Condemned {};

// A handler that does nothing: unlike SIG_IGN it is not inherited by programs that a task executes.
void ignore(int /*signal*/) {}

// Ctrl-C is for the parent to act on, so that it acts once; SIGTERM ends a worker, whatever the
// parent has it do.
void settle_signals(const sigset_t& mask) noexcept {
  struct sigaction action {};
  action.sa_handler = ignore;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  action.sa_handler = SIG_DFL;
  action.sa_flags = 0;
  ::sigaction(SIGTERM, &action, nullptr);
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

// A chunk while it runs: says after each item how far it came.
class RunningChunk final : public detail::Chunk {
 public:
  RunningChunk(const Claim& claim, detail::Decoder& items, const detail::TaskCode& code,
               std::size_t expected_results)
      : Chunk(items, code.function),
        slot_(*claim.slot),
        issue_(claim.issue),
        tray_(slot_, expected_results) {}

  void run(detail::ItemRunner& runner) override {
    const std::uint32_t count = slot_.count;
    for (std::uint32_t i = 0; i < slot_.first; ++i) runner.skip(items());
    for (std::uint32_t i = slot_.first; i < count; ++i) {
      begin(i);
      const Tray::Mark before = tray_.mark();
      try {
        runner.run(items(), tray_);
        tray_.secure(before);
      } catch (const abi::__forced_unwind&) {
        throw;  // pthread_exit: the worker ends with this item
      } catch (...) {
        fail(before, std::current_exception());
        if (runner.torn()) return fail_from(i + 1, std::current_exception());
      }
    }
    if (slot_.timeout_ns != 0) begin(count);
  }
  /// No item from that one on can be run.
  void fail_from(std::uint32_t item, const std::exception_ptr& error) {
    for (; item < slot_.count; ++item) {
      begin(item);
      fail(tray_.mark(), error);
    }
    if (slot_.timeout_ns != 0) begin(slot_.count);
  }
  [[nodiscard]] std::size_t result_bytes() const noexcept { return tray_.bytes(); }

 private:
  // The one store that both ends the item before and begins this one. With a timeout it fails when
  // the parent has ended the item before.
  void begin(std::uint32_t item) {
    const std::uint64_t next = progress_of(issue_, item + 1);
    if (slot_.timeout_ns != 0) {
      slot_.begun_ns.store(os::now_ns(), std::memory_order_release);
      std::uint64_t before = progress_of(issue_, item);
      if (item != slot_.first) {
        if (!slot_.progress.compare_exchange_strong(before, next)) throw Condemned{};
        return;
      }
    }
    slot_.progress.store(next, std::memory_order_release);
  }
  void fail(const Tray::Mark& before, const std::exception_ptr& error) {
    tray_.cut_back(before);
    tray_.encoder().put(detail::Outcome::kError);
    process::encode_error(tray_.encoder(), error);
    tray_.secure(before);
  }

  TaskSlot& slot_;
  const std::uint32_t issue_;
  Tray tray_;
};

class Worker {
 public:
  explicit Worker(const WorkerBody& body)
      : board_(static_cast<Board&>(body.board.as<memory::ObjectHeader>())),
        place_(board_.worker(body.place)),
        ticket_(body.ticket) {}

  void initialize(detail::Target* initializer) {
    try {
      if (initializer != nullptr) initializer->call();
    } catch (const abi::__forced_unwind&) {
      throw;
    } catch (...) {
      report_error(place_, std::current_exception());
      multiprocessing::exit(1);
    }
    place_.since_ns.store(os::now_ns());
    place_.ready.store(1, std::memory_order_release);
  }

  void work() {
    std::int64_t now = os::now_ns();
    for (std::uint32_t done = 0; board_.maxtasksperchild == 0 || done < board_.maxtasksperchild;
         ++done) {
      Claim claim = claim_task(board_, ticket_);
      if (claim.slot == nullptr) {
        if (!await_task()) break;
        claim = claim_task(board_, ticket_);
        if (claim.slot == nullptr) {
          --done;
          continue;
        }
        now = os::now_ns();
      }
      place_.at.store(claim.number + 1, std::memory_order_relaxed);
      if (!run(claim)) break;
      place_.at.store(0, std::memory_order_relaxed);
      const std::int64_t end = os::now_ns();
      add(place_.tasks, claim.slot->count - claim.slot->first);
      add(place_.busy_ns, end - now);
      now = end;
      hand_in(board_, claim, ticket_);
      board_.results.notify_one();
    }
  }

 private:
  template <class N, class M> static void add(std::atomic<N>& number, M more) noexcept {
    number.store(number.load(std::memory_order_relaxed) + static_cast<N>(more),
                 std::memory_order_relaxed);
  }

  // False: there will be none.
  bool await_task() noexcept {
    const auto available = [this]() noexcept -> std::uint32_t {
      return task_waits(board_) || board_.stop.load(std::memory_order_relaxed) != 0 ? 1 : 0;
    };
    // seq_cst: pairs with hand_out() and wake_for_tasks(). Either the parent sees that nobody looks
    // any more, or this worker sees the task.
    place_.looking.store(1, std::memory_order_seq_cst);
    const bool found = patience_.look(available);
    place_.looking.store(0, std::memory_order_seq_cst);
    if (!found) {
      board_.idle.wait([&]() noexcept { return available() != 0; }, os::Deadline::never());
    }
    return task_waits(board_) || board_.stop.load() == 0;
  }

  // False: this process has been told to end.
  bool run(const Claim& claim) {
    try {
      run_items(claim);
      return true;
    } catch (const Condemned&) {
      return false;
    } catch (const abi::__forced_unwind&) {
      throw;
    } catch (...) {
      // What is to be called cannot be made here; or there is no memory to say what went wrong.
      if (begun_in(claim.slot->progress.load(), claim.issue) != 0) throw;
      return fail_all(claim, std::current_exception());
    }
  }
  static bool fail_all(const Claim& claim, const std::exception_ptr& error) {
    try {
      detail::Decoder nothing({});
      RunningChunk(claim, nothing, {}, 0).fail_from(claim.slot->first, error);
      return true;
    } catch (const Condemned&) {
      return false;
    }
  }

  void run_items(const Claim& claim) {
    const TaskSlot& slot = *claim.slot;
    const std::uint64_t code_name = slot.code.load(std::memory_order_relaxed);
    const detail::TaskCode& code = codes_.find(code_name);
    const std::uint64_t parcel_name = slot.arguments.load(std::memory_order_relaxed);
    std::size_t& expected = expected_results_[code_name];
    if (parcel_name == 0) {
      detail::Decoder items(std::span(slot.inline_arguments).first(slot.argument_bytes));
      return run_items(claim, items, code, expected);
    }
    auto* parcel = memory::block_of<memory::Parcel>(parcel_name);
    const std::vector<memory::Handle> handles = queues::handles_of(*parcel);
    connection::Unparked unparked(handles);
    detail::Decoder items(parcel->payload().first(slot.argument_bytes), handles,
                          unparked.descriptors());
    run_items(claim, items, code, expected);
  }
  static void run_items(const Claim& claim, detail::Decoder& items, const detail::TaskCode& code,
                        std::size_t& expected) {
    // A chunk of another size has other results; nobody knows how large before.
    const bool alike = claim.slot->count > 1 && expected < kMostExpected;
    RunningChunk chunk(claim, items, code, alike ? expected : 0);
    code.entry(chunk);
    expected = chunk.result_bytes();
  }

  static constexpr std::size_t kMostExpected = std::size_t{1} << 20;

  Board& board_;
  WorkerPlace& place_;
  const Ticket ticket_;
  CodeReader codes_;
  std::unordered_map<std::uint64_t, std::size_t> expected_results_;
  os::Patience patience_;
};

}  // namespace

void work_at(const WorkerBody& body) {
  Worker worker(body);
  worker.initialize(body.initializer.get());
  worker.work();
}

void report_error(WorkerPlace& place, const std::exception_ptr& error) {
  detail::Encoder encoder;
  process::encode_error(encoder, error);
  memory::Parcel* parcel = memory::make_parcel(encoder.size(), 0, {});
  std::memcpy(parcel->payload().data(), encoder.bytes().data(), encoder.size());
  place.error.store(memory::name_of(parcel), std::memory_order_release);
  memory::publish(parcel);
}

std::exception_ptr take_error(WorkerPlace& place) {
  const std::uint64_t name = place.error.load(std::memory_order_acquire);
  if (name == 0) return nullptr;
  std::exception_ptr error;
  auto* parcel = memory::block_of<memory::Parcel>(name);
  // One that was killed before it handed the parcel over has said nothing: the parcel is swept, and
  // its memory may be another's already.
  if (memory::owner(parcel) == memory::kShared && memory::names_live_block(name)) {
    detail::Decoder decoder(parcel->payload());
    error = process::decode_error(decoder);
    queues::reclaim(name);
  }
  place.error.store(0);
  return error;
}

void WorkerBody::operator()() {
  settle_signals(signals);
  const auto self = process::current();
  bool daemon = false;
  {
    const std::lock_guard guard(process::lock());
    daemon = self->daemon;
  }
  // An executor's worker is no daemon, so that its tasks may have children, and yet ends with its
  // parent.
  if (!daemon) process::end_with_parent(process::parent()->parent);
  work_at(*this);
}

}  // namespace multiprocessing::pool

namespace multiprocessing::detail {

void Traveller<pool::WorkerBody>::encode(Encoder& encoder, const pool::WorkerBody& body) {
  encoder.write_handle(body.board);
  encoder.put(body.place);
  encoder.put(body.ticket);
  encoder.write(&body.signals, sizeof body.signals);
  encoder.put(body.initializer != nullptr);
  if (body.initializer != nullptr) body.initializer->encode(encoder);
}

pool::WorkerBody Traveller<pool::WorkerBody>::decode(Decoder& decoder) {
  pool::WorkerBody body;
  body.board = decoder.read_handle();
  body.place = decoder.take<std::uint32_t>();
  body.ticket = decoder.take<pool::Ticket>();
  decoder.read(&body.signals, sizeof body.signals);
  if (decoder.take<bool>()) body.initializer = decode_target(decoder);
  return body;
}

}  // namespace multiprocessing::detail
