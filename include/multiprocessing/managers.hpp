// SPDX-License-Identifier: BSL-1.0
// Managers: a server process that holds objects, and proxies of them in any process that knows
// where it is. Python: `multiprocessing.managers`.
//
//   mp::Manager m;
//   auto d = m.dict<std::string, int>();
//   mp::Process p([](mp::DictProxy<std::string, int> d) { d["x"] = 1; }, d);
//
// Proxies nest, also in containers of anything, and so do handles of shared objects:
//
//   auto any = m.dict();   any["l"] = m.list<int>();   any["lock"] = mp::Lock();
//   any["l"].as<mp::ListProxy<int>>().append(2);
//
// Threads: every handle may be used by several threads; calls of different threads do not wait for
//          each other. What a program registers is called by many threads of the server, but one
//          object of a registered type by one at a time.
// Fork:    the child's proxies name the same objects. A manager belongs to the process that made
//          it: copies in others do nothing at destruction.
// Death:   of the server: calls that wait and all later ones throw EOFError or what a connection
//          that is refused throws. Of the process that started it: the server ends. Of a client:
//          what it alone referred to is let go within a second, what it held is given back as
//          detail/managers/synchronize.hpp says.
#pragma once
#include <multiprocessing/address.hpp>
#include <multiprocessing/detail/managers/dict.hpp>
#include <multiprocessing/detail/managers/list.hpp>
#include <multiprocessing/detail/managers/pool.hpp>
#include <multiprocessing/detail/managers/queue.hpp>
#include <multiprocessing/detail/managers/registered_callable.hpp>
#include <multiprocessing/detail/managers/registered_type.hpp>
#include <multiprocessing/detail/managers/set.hpp>
#include <multiprocessing/detail/managers/synchronize.hpp>
#include <multiprocessing/detail/managers/value.hpp>
#include <multiprocessing/detail/target.hpp>
#include <multiprocessing/listener.hpp>
#include <multiprocessing/pool.hpp>
#include <multiprocessing/timeout.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing {

namespace managers {
class ManagerCore;
class ServerCore;
}  // namespace managers
namespace process {
class Launcher;
}  // namespace process

/// The keyword arguments of `BaseManager`.
struct ManagerOptions {
  Address address = {};  ///< unless it is given as an argument; none: one is made up
  AuthKey authkey = {};  ///< unless it is given; none: that of this process
  Timeout shutdown_timeout = std::chrono::seconds(1);  ///< before the server is terminated
  std::uint64_t max_message_bytes = kAnyLength;        ///< longer calls and results are refused
};

/// A server in this process. Python: what `BaseManager.get_server` returns.
class Server {
 public:
  /// Serves until somebody calls shutdown() of a manager that is connected to it; then returns,
  /// with every connection closed. THROWS: RuntimeError the second time. Python ends the process.
  void serve_forever();
  /// Has serve_forever() return; from another thread.
  void stop();
  [[nodiscard]] const Address& address() const;

 private:
  friend class BaseManager;
  explicit Server(std::shared_ptr<managers::ServerCore> core) : core_(std::move(core)) {}
  std::shared_ptr<managers::ServerCore> core_;
};

/// A manager with the program's own types and callables. A handle: with the last copy in the
/// process that started it, the server is shut down. Python: `BaseManager`.
class BaseManager {
 public:
  /// Nothing starts yet. No address: one is made up. No key: this process's.
  explicit BaseManager(const Address& address = {}, const AuthKey& authkey = {});
  explicit BaseManager(ManagerOptions options);

  /// A type whose objects shall live in the server, with its methods by name:
  ///   m.register_type<Counter>("Counter", "add", &Counter::add, "get", &Counter::get);
  /// Functions that take a Counter& first are methods, too. Before start().
  template <class T, class... Members>
  void register_type(std::string name, const Members&... members) {
    add(detail::register_members<T>(std::move(name), members...));
  }

  /// A callable that the server calls. A dict, list or set that it returns is kept in the server
  /// and reached by proxy; one that it returns by reference is the same for all, and must not be
  /// used by the program itself meanwhile. A handle that it returns (a Queue, Lock, Event, Value…)
  /// is reached by proxy too, and names the object that the program's own handles name: what a
  /// client holds is held for the program's processes by the server, until the client gives it back
  /// or ends, of which they are told. Before start().
  template <class F> void register_callable(std::string name, F function) {
    add(std::make_shared<detail::CallableRegistration<std::decay_t<F>>>(std::move(name),
                                                                        std::move(function)));
  }

  /// Starts the server process, by the start method of the program; it calls `initializer` with
  /// its arguments first. THROWS: ProcessError if it was started or shut down; TypeError for what
  /// cannot go to a fresh process image (see mp::Process); EOFError if the server ends at once;
  /// std::system_error (EADDRINUSE).
  void start() { start_with(nullptr); }
  template <class F, class... Args> void start(F&& initializer, Args&&... args) {
    start_with(std::make_shared<detail::BoundTarget<F, Args...>>(
        std::in_place, std::forward<F>(initializer), std::forward<Args>(args)...));
  }

  /// Uses a server that runs elsewhere, CPython's among them.
  /// THROWS: std::system_error (ECONNREFUSED); AuthenticationError.
  void connect();

  /// A server for this process, which listens from now on. THROWS: ProcessError after start().
  [[nodiscard]] Server get_server();

  /// Ends the server process, by force if it takes longer than `shutdown_timeout`; after connect()
  /// it asks the server to end. Calls that wait get EOFError. May be called again.
  void shutdown();
  /// Waits for the end of the server process; says whether it has ended.
  bool join(Timeout timeout = forever);

  /// Where the server listens; none before it does, unless it was given.
  [[nodiscard]] Address address() const;
  /// How many objects the server holds, and each of them as text.
  [[nodiscard]] std::size_t number_of_objects() const;
  [[nodiscard]] std::string debug_info() const;

  /// Calls a registered callable; R: the result, which may be a proxy of it. THROWS: KeyError for
  /// a name that is not registered, TypeError for a proxy of another type of object than it gave,
  /// and what it throws.
  template <class R = void, class... Args>
  R call(std::string_view name, const Args&... args) const {
    if constexpr (detail::ProxyType<R>) {
      detail::ProxyCall call(asks(), "create");
      call.create();
      call.add(name);
      (call.add(args), ...);
      return detail::ProxyAccess::make<R>(
          detail::required_type(call.run_made(), detail::type_id_of<R>()));
    } else {
      detail::ProxyCall call(asks(), "call");
      call.call_named();
      call.add(name);
      (call.add(args), ...);
      return call.template run<R>();
    }
  }

  /// Makes an object of a registered type in the server; its methods are called by name:
  /// `m.create<Counter>("Counter", 10).call<int>("add", 5)`.
  template <class T, class... Args>
  [[nodiscard]] AutoProxy create(std::string_view name, const Args&... args) const {
    return call<AutoProxy>(name, args...);
  }

  friend bool operator==(const BaseManager& a, const BaseManager& b) noexcept {
    return a.core_ == b.core_;
  }

 protected:
  BaseManager(ManagerOptions options, process::Launcher* launcher, const char* class_name);
  /// A proxy of a new object of a type of the library.
  template <class P, class Referent, class... Args>
  [[nodiscard]] P make(const Args&... args) const {
    static_cast<void>(&detail::known_referent<Referent>);
    return make_of_key<P>(Referent::kTypeId, Referent::kKey, args...);
  }
  template <class P, class... Args>
  [[nodiscard]] P make_of_key(detail::MethodName type_id, std::uint64_t key,
                              const Args&... args) const {
    detail::ProxyCall call(asks(), type_id);
    call.make(type_id, key);
    (call.add(args), ...);
    return detail::ProxyAccess::make<P>(call.run_made());
  }

 private:
  void add(std::shared_ptr<const detail::Registration> registration);
  void start_with(std::shared_ptr<detail::Target> initializer);
  [[nodiscard]] const managers::ProxyCore* asks() const;

  std::shared_ptr<managers::ManagerCore> core_;
};

/// A manager that knows Python's shared types. Type arguments default to Object. Python:
/// `SyncManager`.
class SyncManager : public BaseManager {
 public:
  using BaseManager::BaseManager;

  template <class K = Object, class V = Object> [[nodiscard]] DictProxy<K, V> dict() const {
    return make<DictProxy<K, V>, DictOf<K, V>>();
  }
  template <class K = Object, class V = Object>
  [[nodiscard]] DictProxy<K, V> dict(std::initializer_list<std::pair<K, V>> pairs) const {
    return dict_of<K, V>(pairs);
  }
  template <class K = Object, class V = Object, std::ranges::input_range Pairs>
  [[nodiscard]] DictProxy<K, V> dict(const Pairs& pairs) const {
    return dict_of<K, V>(pairs);
  }

  template <class T = Object> [[nodiscard]] ListProxy<T> list() const {
    return make<ListProxy<T>, ListOf<T>>();
  }
  template <class T = Object>
  [[nodiscard]] ListProxy<T> list(std::initializer_list<std::type_identity_t<T>> items) const {
    return make<ListProxy<T>, ListOf<T>>(std::vector<T>(items));
  }
  template <class T = Object, std::ranges::input_range Range>
  [[nodiscard]] ListProxy<T> list(const Range& items) const {
    return make<ListProxy<T>, ListOf<T>>(detail::elements_of<T>(items));
  }

  template <class T = Object> [[nodiscard]] SetProxy<T> set() const {
    return make<SetProxy<T>, detail::SetReferent<T>>();
  }
  template <class T = Object>
  [[nodiscard]] SetProxy<T> set(std::initializer_list<std::type_identity_t<T>> items) const {
    return make<SetProxy<T>, detail::SetReferent<T>>(std::vector<T>(items));
  }
  template <class T = Object, std::ranges::input_range Range>
  [[nodiscard]] SetProxy<T> set(const Range& items) const {
    return make<SetProxy<T>, detail::SetReferent<T>>(detail::elements_of<T>(items));
  }

  /// Python's keyword arguments: `m.Namespace({{"x", 1}, {"y", 2}})`.
  [[nodiscard]] NamespaceProxy Namespace(
      std::initializer_list<std::pair<std::string, Object>> attributes = {}) const;

  template <class T = Object> [[nodiscard]] QueueProxy<T> Queue(std::int64_t maxsize = 0) const {
    return make_of_key<QueueProxy<T>>("Queue", 0, maxsize);
  }
  template <class T = Object>
  [[nodiscard]] JoinableQueueProxy<T> JoinableQueue(std::int64_t maxsize = 0) const {
    return make_of_key<JoinableQueueProxy<T>>("JoinableQueue", 0, maxsize);
  }

  [[nodiscard]] LockProxy Lock() const;
  [[nodiscard]] RLockProxy RLock() const;
  [[nodiscard]] SemaphoreProxy Semaphore(int value = 1) const;
  [[nodiscard]] BoundedSemaphoreProxy BoundedSemaphore(int value = 1) const;
  [[nodiscard]] EventProxy Event() const;
  /// With an RLock of its own, or with a lock of this manager.
  [[nodiscard]] ConditionProxy Condition() const;
  [[nodiscard]] ConditionProxy Condition(const LockProxy& lock) const;
  [[nodiscard]] ConditionProxy Condition(const RLockProxy& lock) const;
  [[nodiscard]] BarrierProxy Barrier(int parties, Timeout timeout = forever) const;

  /// A pool of workers of the server's, which call `initializer(arguments...)` first. THROWS: as
  /// the constructors of mp::Pool, and TypeError for an initializer that cannot go to the server.
  [[nodiscard]] PoolProxy Pool(PoolOptions options = {}) const {
    return make_pool(options, nullptr);
  }
  [[nodiscard]] PoolProxy Pool(std::int64_t processes) const {
    return Pool(PoolOptions{.processes = processes});
  }
  template <class F, class... Args>
  [[nodiscard]] PoolProxy Pool(PoolOptions options, F&& initializer, Args&&... arguments) const {
    return make_pool(options, std::make_shared<detail::BoundTarget<F, Args...>>(
                                  std::in_place, std::forward<F>(initializer),
                                  std::forward<Args>(arguments)...));
  }
  template <class F, class... Args>
  [[nodiscard]] PoolProxy Pool(std::int64_t processes, F&& initializer, Args&&... arguments) const {
    return Pool(PoolOptions{.processes = processes}, std::forward<F>(initializer),
                std::forward<Args>(arguments)...);
  }

  /// Of a T, or of what `value` is: a string literal is a std::string.
  template <class T = void, class Given> [[nodiscard]] auto Value(const Given& value) const {
    using Kept = std::conditional_t<std::is_void_v<T>, detail::message_type_t<const Given&>, T>;
    return make<ValueProxy<Kept>, detail::ValueReferent<Kept>>(static_cast<Kept>(value));
  }
  template <class T = Object>
  [[nodiscard]] ArrayProxy<T> Array(std::initializer_list<std::type_identity_t<T>> items) const {
    return make<ArrayProxy<T>, detail::ArrayReferent<T>>(std::vector<T>(items));
  }
  template <class T = Object, std::ranges::input_range Range>
  [[nodiscard]] ArrayProxy<T> Array(const Range& items) const {
    return make<ArrayProxy<T>, detail::ArrayReferent<T>>(detail::elements_of<T>(items));
  }
  /// So many zeros.
  template <class T = Object> [[nodiscard]] ArrayProxy<T> Array(std::size_t size) const {
    return make<ArrayProxy<T>, detail::ArrayReferent<T>>(std::vector<T>(size));
  }

 private:
  [[nodiscard]] PoolProxy make_pool(const PoolOptions& options,
                                    std::shared_ptr<detail::Target> initializer) const;

  template <class K, class V> using DictOf = detail::DictReferent<detail::OrderedMap<K, V>>;
  template <class T> using ListOf = detail::ListReferent<detail::ListItems<T>>;
  template <class K, class V, class Pairs>
  [[nodiscard]] DictProxy<K, V> dict_of(const Pairs& pairs) const {
    std::vector<std::pair<K, V>> all;
    for (const auto& [key, value] : pairs) all.emplace_back(key, value);
    return make<DictProxy<K, V>, DictOf<K, V>>(all);
  }
};

/// A SyncManager whose server runs already. Python: `multiprocessing.Manager()`.
class Manager : public SyncManager {
 public:
  Manager() : Manager(ManagerOptions{}, nullptr) {}
  explicit Manager(ManagerOptions options) : Manager(std::move(options), nullptr) {}

 private:
  friend class Context;
  Manager(ManagerOptions options, process::Launcher* launcher);
};

}  // namespace multiprocessing
