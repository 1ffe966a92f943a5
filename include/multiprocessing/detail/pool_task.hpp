// SPDX-License-Identifier: BSL-1.0
// A pool's task between its two processes: encoded by the caller, run by a worker.
//
// chunk   := [callable] item…      what the callable is beyond its type and a function's address
// results := (outcome result)…     of each item, as far as they came
#pragma once
#include <multiprocessing/detail/callable.hpp>
#include <multiprocessing/detail/job.hpp>
#include <multiprocessing/detail/pool_handle.hpp>
#include <multiprocessing/timeout.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace multiprocessing::pool {
class ParcelOwner;
}  // namespace multiprocessing::pool

namespace multiprocessing::detail {

/// Where a worker writes results: shared memory that outlives it.
class ResultSink {
 public:
  [[nodiscard]] Encoder& encoder() noexcept { return encoder_; }
  /// Has the next `bytes` lie in shared memory from the start.
  virtual void reserve(std::size_t bytes) = 0;
  /// While the result is there still, whose descriptors are borrowed.
  void note_result() {
    if (!encoder_.descriptors().empty()) keep_descriptors();
  }

 protected:
  virtual void keep_descriptors() = 0;
  ~ResultSink() = default;
  Encoder encoder_;
};

/// Runs one item after the other.
class ItemRunner {
 public:
  /// Reads an item that has ended already.
  virtual void skip(Decoder& items) = 0;
  /// Reads an item, calls, writes what came of it.
  virtual void run(Decoder& items, ResultSink& results) = 0;
  /// Whether the last item could not be read, so that nobody knows where the next one begins.
  [[nodiscard]] bool torn() const noexcept { return torn_; }

 protected:
  ~ItemRunner() = default;
  bool torn_ = false;
};

/// A chunk of items in the hands of a worker.
class Chunk {
 public:
  Chunk(Decoder& items, void (*called)()) noexcept : items_(items), function_(called) {}
  [[nodiscard]] Decoder& items() noexcept { return items_; }
  [[nodiscard]] void (*function() const noexcept)() { return function_; }
  virtual void run(ItemRunner& runner) = 0;

 protected:
  ~Chunk() = default;

 private:
  Decoder& items_;
  void (*function_)();
};

/// What a worker calls for a chunk; the same code in every image of the program.
using TaskEntry = void (*)(Chunk& chunk);

struct TaskCode {
  TaskEntry entry = nullptr;
  void (*function)() = nullptr;  ///< where the callable is a pointer to a function
};

/// A chunk as its writer hands it over.
struct NewChunk {
  std::shared_ptr<Job> job;
  TaskCode code;
  std::size_t first_item;
  std::uint32_t items;
  std::int64_t timeout_ns;  ///< 0: that of the pool
};

/// Who takes chunks: a pool of this process, or this process's side of one that lies elsewhere.
class TaskHost : public JobHost {
 public:
  /// The number of a new call. THROWS: ValueError (of an executor RuntimeError) if the pool takes
  /// no tasks any more; what broke it.
  [[nodiscard]] virtual std::uint64_t begin_call() = 0;
  /// Takes the chunk, whose items are the arguments, in the parcel if there is one. THROWS: the
  /// same.
  virtual void submit(const NewChunk& chunk, const Encoder& arguments,
                      pool::ParcelOwner parcel) = 0;

 protected:
  ~TaskHost() = default;
};

/// How an item becomes the arguments of a call.
enum class Style { kWhole, kSpread };  // f(item), or f of the elements of the tuple

template <class F, class Item, Style style>
inline constexpr bool kCallable = std::is_invocable_v<F&, Item>;
template <class F, class... Parts>
inline constexpr bool kCallable<F, std::tuple<Parts...>, Style::kSpread> =
    std::is_invocable_v<F&, Parts...>;
template <class F, class A, class B>
inline constexpr bool kCallable<F, std::pair<A, B>, Style::kSpread> = std::is_invocable_v<F&, A, B>;

template <class F, class Item, Style style> struct TaskResult : std::invoke_result<F&, Item> {};
template <class F, class... Parts>
struct TaskResult<F, std::tuple<Parts...>, Style::kSpread> : std::invoke_result<F&, Parts...> {};
template <class F, class A, class B>
struct TaskResult<F, std::pair<A, B>, Style::kSpread> : std::invoke_result<F&, A, B> {};

template <class T> struct ReturnedType { using type = message_type_t<T>; };
template <> struct ReturnedType<void> { using type = void; };

/// What comes back for one item.
template <class F, class Item, Style style>
using task_result_t = typename ReturnedType<typename TaskResult<F, Item, style>::type>::type;

template <Style style, class F, class Item> decltype(auto) call_task(F& function, Item&& item) {
  if constexpr (style == Style::kWhole) {
    return std::invoke(function, std::forward<Item>(item));
  } else {
    return std::apply(function, std::forward<Item>(item));
  }
}

template <class F, class Item, Style style> class TypedRunner final : public ItemRunner {
 public:
  static void enter(Chunk& chunk) {
    TypedRunner runner(chunk);
    chunk.run(runner);
  }
  void skip(Decoder& items) override { static_cast<void>(decode<Item>(items)); }
  void run(Decoder& items, ResultSink& results) override {
    using R = task_result_t<F, Item, style>;
    torn_ = true;
    Item item = decode<Item>(items);
    torn_ = false;
    if constexpr (std::is_void_v<R>) {
      call_task<style>(function_, std::move(item));
      results.encoder().put(Outcome::kValue);
    } else {
      const R result = call_task<style>(function_, std::move(item));
      if constexpr (kSizedMessage<R> && !std::is_arithmetic_v<R>) {
        // What is large is written once, to where it stays.
        if (const std::size_t bytes = encoded_size(result); bytes > kLargeResult) {
          results.reserve(bytes + kMargin);
        }
      }
      results.encoder().put(Outcome::kValue);
      encode<R>(results.encoder(), result);
      results.note_result();
    }
  }

 private:
  static constexpr std::size_t kLargeResult = 4096;
  static constexpr std::size_t kMargin = 64;  // encoded_size is that at a multiple of 16

  explicit TypedRunner(Chunk& chunk) : function_(function_of(chunk)) {}
  static F function_of(Chunk& chunk) {
    if constexpr (kFunctionPointer<F>) {
      return reinterpret_cast<F>(chunk.function());
    } else {
      return decode_portable<F>(chunk.items());
    }
  }
  F function_;
};

/// The limits of one call.
struct TaskLimits {
  Timeout timeout = forever;  ///< of each item
};

/// A chunk that a caller fills and hands to a pool. Errors of serialisation are thrown here.
class ChunkWriter {
 public:
  ChunkWriter(TaskHost& host, std::shared_ptr<Job> job, TaskCode code, TaskLimits limits);
  ChunkWriter(const ChunkWriter&) = delete;
  ChunkWriter& operator=(const ChunkWriter&) = delete;
  ~ChunkWriter();

  [[nodiscard]] std::uint32_t items() const noexcept { return items_; }
  [[nodiscard]] std::size_t submitted() const noexcept { return submitted_; }

 protected:
  [[nodiscard]] Encoder& encoder() noexcept { return encoder_; }
  /// Before a large item that is the chunk's first.
  void reserve(std::size_t bytes);
  void note_item() noexcept { ++items_; }
  /// Hands the items written so far to the pool, if there are any.
  void submit();

 private:
  TaskHost& host_;  // kept by the job
  const std::shared_ptr<Job> job_;
  const TaskCode code_;
  const TaskLimits limits_;
  Encoder encoder_;
  void* parcel_ = nullptr;  // in which the encoder writes
  std::uint32_t items_ = 0;
  std::size_t submitted_ = 0;
};

template <class F> consteval void check_task() {
  static_assert(
      Portable<F>,
      "multiprocessing: this callable cannot be a task of a pool, whose workers are other "
      "processes: give a function, a lambda without captures, mp::partial(function, "
      "arguments...) in the place of a lambda with captures, or a class with operator() "
      "and template <class Archive> void serialize(Archive& ar, unsigned).");
}

template <class F, class Item, Style style> class TypedChunkWriter : public ChunkWriter {
 public:
  TypedChunkWriter(TaskHost& host, std::shared_ptr<Job> job, F function, TaskLimits limits)
      : ChunkWriter(host, std::move(job), code_of(function), limits),
        function_(std::move(function)) {}

  template <class Given> void add(Given&& given) {
    if constexpr (std::is_same_v<std::remove_cvref_t<Given>, Item>) {
      write(given);
    } else {
      write(static_cast<Item>(std::forward<Given>(given)));
    }
  }
  void flush() { submit(); }

 private:
  static constexpr std::size_t kLargeItem = std::size_t{64} * 1024;
  static constexpr std::size_t kMargin = 256;

  static TaskCode code_of(const F& function) {
    TaskCode code{&TypedRunner<F, Item, style>::enter};
    if constexpr (kFunctionPointer<F>) code.function = reinterpret_cast<void (*)()>(function);
    return code;
  }
  void write(const Item& item) {
    const Encoder::Mark before = encoder().mark();
    try {
      if (items() == 0) begin(item);
      encode<Item>(encoder(), item);
    } catch (...) {
      encoder().cut_back(before);
      throw;
    }
    note_item();
  }
  void begin(const Item& item) {
    if constexpr (kSizedMessage<Item>) {
      const std::size_t bytes = encoded_size(item);
      if (bytes > kLargeItem) reserve(bytes + kMargin);
    }
    if constexpr (!kFunctionPointer<F>) encode_portable<F>(encoder(), function_);
  }
  F function_;
};

/// The same for a pool of processes, whose callables are checked first.
template <class F, class Item, Style style>
class CheckedChunkWriter : public TypedChunkWriter<F, Item, style> {
 public:
  template <class Handle>
  CheckedChunkWriter(const Handle& pool, std::shared_ptr<Job> job, F function, TaskLimits limits)
      : TypedChunkWriter<F, Item, style>(pool.tasks(), std::move(job), std::move(function),
                                         limits) {
    check_task<F>();
  }
};

}  // namespace multiprocessing::detail
