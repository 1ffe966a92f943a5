// SPDX-License-Identifier: BSL-1.0
// Contexts: the whole library under one start method. Python: `multiprocessing.get_context`.
//
// Shared objects are the same under every start method, and may be made and used in any context;
// what a context decides is how its processes start.
#pragma once
#include <multiprocessing/connection.hpp>
#include <multiprocessing/log.hpp>
#include <multiprocessing/managers.hpp>
#include <multiprocessing/pool.hpp>
#include <multiprocessing/process.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/sharedctypes.hpp>
#include <multiprocessing/synchronize.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace multiprocessing {

namespace process {
class Launcher;
}  // namespace process

/// The factories of the library; those of processes start them by the context's method. A value:
/// copy it as you like, from any thread.
class Context {
 public:
  /// A process that is started by this context's method; arguments as of mp::Process.
  template <class F, class... Args>
  requires(!std::derived_from<std::remove_cvref_t<F>, multiprocessing::Process>)
      [[nodiscard]] multiprocessing::Process Process(F&& function, Args&&... args) const {
    return chosen_for(
        multiprocessing::Process(std::forward<F>(function), std::forward<Args>(args)...));
  }
  template <class F, class... Args>
  [[nodiscard]] multiprocessing::Process Process(ProcessOptions options, F&& function,
                                                 Args&&... args) const {
    return chosen_for(multiprocessing::Process(std::move(options), std::forward<F>(function),
                                               std::forward<Args>(args)...));
  }
  [[nodiscard]] multiprocessing::Process Process(ProcessOptions options = {}) const {
    return chosen_for(multiprocessing::Process(std::move(options)));
  }
  /// Has an object of a subclass started by this context's method, and gives it back.
  template <class Subclass>
  requires std::derived_from<std::remove_cvref_t<Subclass>, multiprocessing::Process>
  [[nodiscard]] std::remove_cvref_t<Subclass> Process(Subclass&& process) const {
    choose_for(process);
    return std::forward<Subclass>(process);
  }

  /// A pool whose workers are started by this context's method; arguments as of mp::Pool.
  [[nodiscard]] multiprocessing::Pool Pool() const { return Pool(PoolOptions{}); }
  template <class... Initializer>
  [[nodiscard]] multiprocessing::Pool Pool(std::int64_t processes,
                                           Initializer&&... initializer) const {
    return Pool(PoolOptions{.processes = processes}, std::forward<Initializer>(initializer)...);
  }
  template <class... Initializer>
  [[nodiscard]] multiprocessing::Pool Pool(PoolOptions options,
                                           Initializer&&... initializer) const {
    return multiprocessing::Pool(launcher_, options, std::forward<Initializer>(initializer)...);
  }

  template <class T = Object> [[nodiscard]] auto Queue(std::int64_t maxsize = 0) const {
    return multiprocessing::Queue<T>(maxsize);
  }
  template <class T = Object> [[nodiscard]] auto JoinableQueue(std::int64_t maxsize = 0) const {
    return multiprocessing::JoinableQueue<T>(maxsize);
  }
  template <class T = Object> [[nodiscard]] auto SimpleQueue() const {
    return multiprocessing::SimpleQueue<T>();
  }
  [[nodiscard]] auto Pipe() const { return multiprocessing::Pipe(); }
  [[nodiscard]] auto Pipe(detail::ExactlyBool auto duplex) const {
    return multiprocessing::Pipe(duplex);
  }

  [[nodiscard]] auto Lock() const { return multiprocessing::Lock(); }
  [[nodiscard]] auto RLock() const { return multiprocessing::RLock(); }
  [[nodiscard]] auto Event() const { return multiprocessing::Event(); }
  template <class... Args> [[nodiscard]] auto Semaphore(Args&&... args) const {
    return multiprocessing::Semaphore(std::forward<Args>(args)...);
  }
  template <class... Args> [[nodiscard]] auto BoundedSemaphore(Args&&... args) const {
    return multiprocessing::BoundedSemaphore(std::forward<Args>(args)...);
  }
  template <class... Args> [[nodiscard]] auto Condition(Args&&... args) const {
    return multiprocessing::Condition(std::forward<Args>(args)...);
  }
  template <class... Args> [[nodiscard]] auto Barrier(Args&&... args) const {
    return multiprocessing::Barrier(std::forward<Args>(args)...);
  }

  template <class T, class... Args> [[nodiscard]] auto Value(Args&&... args) const {
    return multiprocessing::Value<T>(std::forward<Args>(args)...);
  }
  template <class T, class... Args> [[nodiscard]] auto RawValue(Args&&... args) const {
    return multiprocessing::RawValue<T>(std::forward<Args>(args)...);
  }
  template <class T, class... Args> [[nodiscard]] auto Array(Args&&... args) const {
    return multiprocessing::Array<T>(std::forward<Args>(args)...);
  }
  template <class T> [[nodiscard]] auto Array(std::initializer_list<T> values) const {
    return multiprocessing::Array<T>(values);
  }
  template <class T, class... Args> [[nodiscard]] auto RawArray(Args&&... args) const {
    return multiprocessing::RawArray<T>(std::forward<Args>(args)...);
  }
  template <class T> [[nodiscard]] auto RawArray(std::initializer_list<T> values) const {
    return multiprocessing::RawArray<T>(values);
  }

  /// A manager whose server is started by this context's method.
  [[nodiscard]] auto Manager(ManagerOptions options = {}) const {
    return multiprocessing::Manager(std::move(options), launcher_);
  }

  /// The name of this context's start method.
  [[nodiscard]] std::string get_start_method() const;
  [[nodiscard]] std::vector<std::string> get_all_start_methods() const {
    return multiprocessing::get_all_start_methods();
  }
  /// As Python's contexts have them: the same as without a context.
  [[nodiscard]] auto current_process() const { return multiprocessing::current_process(); }
  [[nodiscard]] auto parent_process() const { return multiprocessing::parent_process(); }
  [[nodiscard]] auto active_children() const { return multiprocessing::active_children(); }
  [[nodiscard]] int cpu_count() const { return multiprocessing::cpu_count(); }
  [[nodiscard]] Logger& get_logger() const { return multiprocessing::get_logger(); }
  Logger& log_to_stderr(std::optional<LogLevel> level = std::nullopt) const {
    return multiprocessing::log_to_stderr(level);
  }
  void set_forkserver_preload(void (*preload)()) const {
    multiprocessing::set_forkserver_preload(preload);
  }
  void freeze_support(int argc, char** argv) const { multiprocessing::freeze_support(argc, argv); }

 private:
  friend Context get_context(std::string_view method);
  explicit Context(std::string_view method);
  void choose_for(multiprocessing::Process& process) const;
  multiprocessing::Process chosen_for(multiprocessing::Process&& process) const {
    choose_for(process);
    return std::move(process);
  }

  process::Launcher* launcher_;  // null: that of the default method at the time
};

/// The context of a start method; that of the default one where none is named. THROWS: ValueError
/// for a name that is no start method.
[[nodiscard]] Context get_context(std::string_view method = {});

}  // namespace multiprocessing
