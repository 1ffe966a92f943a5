// SPDX-License-Identifier: BSL-1.0
// Value and Array: data that several processes see. Python's `multiprocessing.sharedctypes`.
//
//   mp::Value<int> counter(0);                   mp::Array<double> a(10), b{1.0, 2.0};
//   counter.update([](int& v) { ++v; });         b[0] += 1;
//
// All are handles: a copy, in this or another process, names the same data, which lives until the
// last handle is gone. They may be arguments of a Process, parts of a message, globals.
//
// Types:   numbers, enums, aggregates and std::array of such, std::atomic (which needs no lock),
// and
//          trivially copyable classes that opt in by mp::is_bitwise. All else does not compile.
// Locks:   only update() takes the lock by itself. value(), elements and slices are plain memory:
//          hold get_lock() where others write. A plain `++v.value()` may lose counts, as in Python.
// Threads: handles as std::shared_ptr, the data as any memory. Fork: the child's copies are its
// own. Death:   of a process that holds the lock: the next one gets OwnerDiedError and repairs the
// data.
#pragma once
#include <multiprocessing/detail/shared_array.hpp>
#include <multiprocessing/detail/shared_value.hpp>
#include <multiprocessing/synchronize.hpp>
#include <multiprocessing/timeout.hpp>

#include <functional>
#include <initializer_list>
#include <mutex>
#include <span>
#include <type_traits>
#include <utility>

namespace multiprocessing {

namespace detail {

template <char Code> consteval auto type_of_code() {
  if constexpr (Code == 'c')
    return std::type_identity<char>{};
  else if constexpr (Code == 'u')
    return std::type_identity<wchar_t>{};
  else if constexpr (Code == 'b')
    return std::type_identity<signed char>{};
  else if constexpr (Code == 'B')
    return std::type_identity<unsigned char>{};
  else if constexpr (Code == 'h')
    return std::type_identity<short>{};
  else if constexpr (Code == 'H')
    return std::type_identity<unsigned short>{};
  else if constexpr (Code == 'i')
    return std::type_identity<int>{};
  else if constexpr (Code == 'I')
    return std::type_identity<unsigned int>{};
  else if constexpr (Code == 'l')
    return std::type_identity<long>{};
  else if constexpr (Code == 'L')
    return std::type_identity<unsigned long>{};
  else if constexpr (Code == 'q')
    return std::type_identity<long long>{};
  else if constexpr (Code == 'Q')
    return std::type_identity<unsigned long long>{};
  else if constexpr (Code == 'f')
    return std::type_identity<float>{};
  else if constexpr (Code == 'd')
    return std::type_identity<double>{};
  else
    static_assert(Code == 'd', "multiprocessing: the typecodes are c u b B h H i I l L q Q f d.");
}

/// The lock of a Value or an Array, and Python's `acquire` and `release` of theirs.
class Synchronized {
 public:
  /// The lock that update() takes: a handle to it, be it a Lock or an RLock.
  [[nodiscard]] AnyLock& get_lock() const noexcept { return lock_; }

  /// get_lock()'s, so that std::scoped_lock takes the Value or Array itself, as Python's `with`.
  bool acquire(Timeout timeout = forever) const { return lock_.acquire(timeout); }
  bool acquire(ExactlyBool auto block, Timeout timeout = forever) const {
    return lock_.acquire(block, timeout);
  }
  void release() const { lock_.release(); }
  void lock() const { lock_.lock(); }
  [[nodiscard]] bool try_lock() const { return lock_.try_lock(); }
  void unlock() const { lock_.unlock(); }

 protected:
  explicit Synchronized(const Handle& object)
      : lock_(HandleAccess::make<AnyLock>(data_lock(object))) {}
  // Moving copies: no handle is ever without its lock.
  Synchronized(const Synchronized&) = default;
  Synchronized& operator=(const Synchronized&) = default;
  ~Synchronized() = default;

 private:
  mutable AnyLock lock_;  // always the same lock; a const handle can take it too
};

/// What with_lock() returns.
struct WithLock {
  Handle lock;
};

}  // namespace detail

/// The C++ type of Python's typecode: `mp::Value<mp::typecode<'d'>>` is `mp::Value<double>`.
template <char Code> using typecode = typename decltype(detail::type_of_code<Code>())::type;

/// Makes a Value or an Array use this lock (a Lock, an RLock, another's get_lock()) instead of an
/// RLock of its own. Python's `lock=`:  `mp::Value<int> shares(mp::with_lock(lock), 0);`
[[nodiscard]] inline detail::WithLock with_lock(const AnyLock& lock) {
  return {detail::HandleAccess::get(lock)};
}

/// A T in shared memory, without a lock.
template <class T> class RawValue : public detail::SharedValue<T> {
 public:
  /// Zero, or as T's default constructor has it. THROWS: MemoryError.
  RawValue() requires std::is_default_constructible_v<T>
      : RawValue(detail::make_value<T>(detail::Handle())) {}

  /// T's constructor arguments, or its members' values if it is an aggregate. THROWS: MemoryError.
  template <class First, class... Rest>
  requires detail::ValueFrom<T, First, Rest...>
  explicit RawValue(First&& first, Rest&&... rest)
      : RawValue(detail::make_value<T>(detail::Handle(), std::forward<First>(first),
                                       std::forward<Rest>(rest)...)) {}

 private:
  friend class detail::HandleAccess;
  explicit RawValue(detail::Handle handle) noexcept : detail::SharedValue<T>(std::move(handle)) {}
};

/// A T in shared memory, with a lock: an RLock of its own, or the one given by with_lock().
template <class T> class Value : public detail::SharedValue<T>, public detail::Synchronized {
 public:
  /// Zero, or as T's default constructor has it. THROWS: MemoryError.
  Value() requires std::is_default_constructible_v<T>
      : Value(detail::make_value<T>(detail::Handle())) {}

  /// T's constructor arguments, or its members' values if it is an aggregate. THROWS: MemoryError.
  template <class First, class... Rest>
  requires detail::ValueFrom<T, First, Rest...>
  explicit Value(First&& first, Rest&&... rest)
      : Value(detail::make_value<T>(detail::Handle(), std::forward<First>(first),
                                    std::forward<Rest>(rest)...)) {}

  /// The same with a lock that it shares: `mp::Value<int> shares(mp::with_lock(lock), 0);`
  template <class... Args>
  requires detail::ValueFrom<T, Args...>
  explicit Value(const detail::WithLock& lock, Args&&... args)
      : Value(detail::make_value<T>(lock.lock, std::forward<Args>(args)...)) {}

  /// Calls `change(value())` under the lock and returns what it returns. THROWS: OwnerDiedError if
  /// somebody died under the lock, and what `change` throws; the lock is released in any case.
  template <class F> decltype(auto) update(F&& change) const {
    const std::scoped_lock guard(this->get_lock());
    return std::invoke(std::forward<F>(change), this->value());
  }

  /// The same data without the lock.
  [[nodiscard]] RawValue<T> get_obj() const {
    return detail::HandleAccess::make<RawValue<T>>(this->handle_);
  }

 private:
  friend class detail::HandleAccess;
  explicit Value(const detail::Handle& handle)
      : detail::SharedValue<T>(handle), detail::Synchronized(handle) {}
};

/// A fixed number of T in shared memory, without a lock. A contiguous range.
template <class T> class RawArray : public detail::SharedArray<T> {
 public:
  /// No elements.
  RawArray() : RawArray(std::size_t{0}) {}
  /// A size (all zero, ValueError if negative), a range of values, or a text for an array of char.
  /// THROWS: MemoryError.
  explicit RawArray(detail::ArraySource<T> source) : RawArray(source.make(detail::Handle())) {}
  RawArray(std::initializer_list<T> values) : RawArray(detail::ArraySource<T>(values)) {}

 private:
  friend class detail::HandleAccess;
  explicit RawArray(detail::Handle handle) noexcept : detail::SharedArray<T>(std::move(handle)) {}
};

/// A fixed number of T in shared memory, with a lock: an RLock of its own, or the one given by
/// with_lock(). A contiguous range: `std::span(a)`, `std::ranges::sort(a)`.
template <class T> class Array : public detail::SharedArray<T>, public detail::Synchronized {
 public:
  /// No elements.
  Array() : Array(std::size_t{0}) {}
  /// A size (all zero, ValueError if negative), a range of values, or a text for an array of char.
  /// THROWS: MemoryError.
  explicit Array(detail::ArraySource<T> source) : Array(source.make(detail::Handle())) {}
  Array(std::initializer_list<T> values) : Array(detail::ArraySource<T>(values)) {}

  /// The same with a lock that it shares: `mp::Array<char> s(mp::with_lock(lock), 80);`
  Array(const detail::WithLock& lock, detail::ArraySource<T> source)
      : Array(source.make(lock.lock)) {}
  Array(const detail::WithLock& lock, std::initializer_list<T> values)
      : Array(lock, detail::ArraySource<T>(values)) {}

  /// Calls `change(std::span<T>)` under the lock and returns what it returns. THROWS: as Value's.
  template <class F> decltype(auto) update(F&& change) const {
    const std::scoped_lock guard(this->get_lock());
    return std::invoke(std::forward<F>(change), std::span<T>(this->data(), this->size()));
  }

  /// The same data without the lock.
  [[nodiscard]] RawArray<T> get_obj() const {
    return detail::HandleAccess::make<RawArray<T>>(this->handle_);
  }

 private:
  friend class detail::HandleAccess;
  explicit Array(const detail::Handle& handle)
      : detail::SharedArray<T>(handle), detail::Synchronized(handle) {}
};

/// What Python keeps in the module and not in the package.
namespace sharedctypes {

/// New shared memory of its own, with a copy of the data; no lock is taken meanwhile.
template <class T> [[nodiscard]] RawValue<T> copy(const RawValue<T>& of) {
  return RawValue<T>(of.value());
}
template <class T> [[nodiscard]] Value<T> copy(const Value<T>& of) { return Value<T>(of.value()); }
template <class T> [[nodiscard]] RawArray<T> copy(const RawArray<T>& of) {
  return RawArray<T>(std::span<T>(of));
}
template <class T> [[nodiscard]] Array<T> copy(const Array<T>& of) {
  return Array<T>(std::span<T>(of));
}

}  // namespace sharedctypes

}  // namespace multiprocessing
