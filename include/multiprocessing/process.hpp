// SPDX-License-Identifier: BSL-1.0
// Processes: started, watched, waited for and ended (Python's `multiprocessing.process`).
//
// Threads: every function may be called from several threads at once.
// Fork:    a Process belongs to the process that made it; only that one starts and joins it. In a
//          child its copies still tell name, daemon and authkey.
// Death:   of the child: join() and sentinel() tell, exitcode() says how. Of the parent: daemons
//          end within a second, other children live on, as in Python.
#pragma once
#include <sys/types.h>

#include <concepts>
#include <cstddef>
#include <iosfwd>
#include <memory>
#include <multiprocessing/detail/target.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/timeout.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing {

namespace process {
struct Core;
struct Access;
}  // namespace process

// A program built with hidden visibility still derives from Process and lets SystemExit pass.
#pragma GCC visibility push(default)

/// The keyword arguments of Python's `Process(…)`.
struct ProcessOptions {
  std::string name = {};                      ///< empty: Process-N, by number of construction
  std::optional<bool> daemon = std::nullopt;  ///< not given: as the process that makes it
};

/// A child process, or this process, or its parent. A handle: what has been started stays the same
/// process when the handle moves, and runs on when the last handle goes; it is joined at exit.
///
/// A subclass overrides run() and calls nothing but start(). It may be copied until it is started,
/// where its fields can be; a copy is another process with a number of its own. Copying a started
/// one is an AssertionError. A handle that was moved away throws ValueError for everything.
class Process {
 public:
  /// For subclasses: run() is what the child does.
  Process();
  explicit Process(ProcessOptions options);

  /// Binds a callable and its arguments as std::thread does: decayed copies, passed as rvalues;
  /// string literals arrive as std::string. What it returns is ignored.
  template <class F, class... Args>
  requires(!std::same_as<std::remove_cvref_t<F>, ProcessOptions> &&
           !std::derived_from<std::remove_cvref_t<F>, Process>) explicit Process(F&& function,
                                                                                 Args&&... args)
      : Process(ProcessOptions{}, std::forward<F>(function), std::forward<Args>(args)...) {}

  template <class F, class... Args>
  Process(ProcessOptions options, F&& function, Args&&... args) : Process(std::move(options)) {
    static_assert(
        detail::kTakesStrings<F, Args...> || detail::kTakesPointers<F, Args...>,
        "the target of this Process cannot be called with these arguments: they are passed as "
        "rvalues of their decayed types; use std::ref for a reference to something of the child's");
    bind(std::make_shared<detail::BoundTarget<F, Args...>>(std::in_place, std::forward<F>(function),
                                                           std::forward<Args>(args)...));
  }

  Process(Process&&) noexcept = default;
  Process& operator=(Process&&) noexcept = default;
  virtual ~Process();

  /// What the child does: calls the target. Called by hand it does so in this process, once:
  /// AssertionError when the target has run already or was handed to the child.
  virtual void run();

  /// Starts the child. Drops this process's copies of the target and its arguments.
  /// Throws AssertionError the second time, after run() by hand, in a process that did not make it
  /// and in a daemon; ValueError if closed; std::system_error if the system refuses, and then
  /// nothing has changed.
  void start();

  /// Waits for the end of the child; says whether it has ended. May be called again.
  /// Throws AssertionError before start() and in a process that did not make it.
  bool join(Timeout timeout = forever) const;

  /// Whether the child was started and has not ended. Always true for this process.
  /// Throws AssertionError in a process that did not make it.
  [[nodiscard]] bool is_alive() const;

  void terminate() const;  ///< sends SIGTERM
  void kill() const;       ///< sends SIGKILL
  void interrupt() const;  ///< sends SIGINT

  /// Sends a signal; nothing happens to one that has ended. Throws AttributeError before start(),
  /// AssertionError in a process that did not make it, ValueError if closed.
  void send_signal(int signal) const;

  /// Lets go of what the child needs in this process. Throws ValueError while it runs. Afterwards
  /// everything but name, daemon and authkey throws ValueError. May be called again.
  void close();

  /// 0 before start(). Stays after the end.
  [[nodiscard]] pid_t pid() const;
  [[nodiscard]] pid_t ident() const { return pid(); }

  /// None until it has ended; then the exit code, or -N where signal N ended it. 255 where a
  /// program took the status away (waitpid(-1), SIGCHLD ignored) and nobody else knows it.
  [[nodiscard]] std::optional<int> exitcode() const;

  /// A descriptor that poll(2) and connection::wait find readable once the process has ended.
  /// It belongs to this object. Throws ValueError before start().
  [[nodiscard]] int sentinel() const;

  /// A label without a meaning; the default is Process-N, in Process-N's children Process-N:M.
  [[nodiscard]] std::string name() const;
  void name(std::string_view name);

  /// A daemon is terminated when its parent ends, and has no children. Throws AssertionError when
  /// set after start().
  [[nodiscard]] bool daemon() const;
  void daemon(bool daemon);
  template <class T>
  requires(!std::same_as<T, bool>) void daemon(T) = delete;  // a pointer or a number is not a flag

  /// The secret that connections between the processes of a program share: 32 random bytes of the
  /// first process, handed down, unless set.
  [[nodiscard]] std::vector<std::byte> authkey() const;
  void authkey(std::span<const std::byte> key);
  void authkey(std::string_view key);

  /// As Python prints it: `<Process name='Process-1' pid=7 parent=6 started daemon>`.
  [[nodiscard]] std::string repr() const;
  friend std::ostream& operator<<(std::ostream& out, const Process& process);

  /// Whether both are handles of the same process.
  friend bool operator==(const Process& a, const Process& b) noexcept {
    return a.core_ != nullptr && a.core_ == b.core_;
  }

 protected:
  Process(const Process& other);
  Process& operator=(const Process& other);

 private:
  friend struct process::Access;
  explicit Process(std::shared_ptr<process::Core> core) noexcept : core_(std::move(core)) {}
  void bind(std::shared_ptr<detail::Target> target);

  /// Writes what another image of the program needs to make an object of the subclass again.
  /// THROWS: TypeError for a subclass that did not say how.
  virtual void encode_subclass(detail::Encoder& encoder) const;

  std::shared_ptr<process::Core> core_;  // null once moved away
};

/// Base of a subclass that can go to a fresh process image: it runs under every start method.
///   struct Sender : mp::ProcessOf<Sender> { void run() override; … serialize(…) … };
/// REQUIRES: Self is default-constructible, and has `serialize` for its fields.
template <class Self> class ProcessOf : public Process {
 public:
  using Process::Process;

 private:
  void encode_subclass(detail::Encoder& encoder) const override {
    static_assert(
        std::is_default_constructible_v<Self>,
        "a subclass of mp::ProcessOf has a constructor without arguments: the child makes "
        "the object with it and then reads the fields");
    detail::encode_function(encoder, &ProcessOf::decode_subclass);
    detail::encode<Self>(encoder, static_cast<const Self&>(*this));
  }
  static std::unique_ptr<Process> decode_subclass(detail::Decoder& decoder) {
    return std::make_unique<Self>(detail::decode<Self>(decoder));
  }
};

/// This process. Its name, daemon flag and authkey are handed down to what it makes from here on.
[[nodiscard]] Process current_process();

/// The process that started this one; none in the first. Tells name, pid, is_alive, join and
/// sentinel; it has no exitcode, no authkey (KeyError) and takes no signals (AttributeError).
[[nodiscard]] std::optional<Process> parent_process();

/// The children that are alive, in the order of their starts; joins those that have ended.
[[nodiscard]] std::vector<Process> active_children();

/// CPUs that this program may use: its affinity and its control group's quota count. At least 1.
/// (Python's `cpu_count` counts the machine.)
[[nodiscard]] int cpu_count();

/// What exit() throws within a target; not a std::exception, so that only `catch (...)` stops it.
class SystemExit {
 public:
  explicit SystemExit(int code) noexcept : code_(code) {}
  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  int code_;
};

/// Ends this process with that exit code, from any depth and with the destructors of every frame
/// (`sys.exit`). Nothing is reported.
///
/// Within a target it throws SystemExit. Elsewhere, in the main program or in a thread of one's
/// own, it unwinds the calling thread's stack to its end and then does what std::exit does. In both
/// cases a `catch (...)` that does not rethrow stops it, and a noexcept function on the way ends in
/// std::terminate.
[[noreturn]] void exit(int code = 0);

#pragma GCC visibility pop

/// Chooses how processes start from here on: "fork" (the default), "spawn" or "forkserver".
/// Where nobody calls this, the environment variable MULTIPROCESSING_START_METHOD decides.
///
/// By each of them a child has the working directory, the environment, the umask, the standard
/// output and error, the signal mask and the ignored signals of the thread that starts it, and an
/// empty standard input. Signal handlers stay with fork alone. All else that the kernel passes on
/// (limits, priority, CPU affinity, user) is the starter's by fork and spawn; by forkserver it is
/// that of the time of the program's first start.
/// THROWS: RuntimeError when the method was chosen or used before and `force` is not given,
/// ValueError for another name.
void set_start_method(std::string_view method, bool force = false);

/// The name of the method in use; from here on it is chosen, as in Python.
[[nodiscard]] std::string get_start_method();

/// All that there are, the default one first.
[[nodiscard]] std::vector<std::string> get_all_start_methods();

/// Has the server of the start method "forkserver" call this function before it forks children,
/// which then find what it has loaded. Counts for servers that start after this.
void set_forkserver_preload(void (*preload)());

/// Another program to execute for the start methods spawn and forkserver, in the place of the
/// running one; empty: the running one again. It has to be a program of the same build.
void set_executable(std::string path);

/// In a process that the start methods spawn and forkserver made: does what it was made for and
/// never returns. Elsewhere it does nothing. It is called before main by itself; only a program
/// none of whose own files includes a header of this library, as it uses it through a shared
/// library alone, has to call it first in main. Where that is forgotten, Process::start() throws
/// RuntimeError. Python: `multiprocessing.freeze_support`.
void freeze_support(int argc, char** argv);
void freeze_support();

}  // namespace multiprocessing

#include <multiprocessing/detail/program_hook.hpp>
