// SPDX-License-Identifier: BSL-1.0
#include "traced_process.hpp"

#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>

#include "process_state.hpp"

namespace multiprocessing::test {
namespace {

constexpr std::chrono::milliseconds kSleep(25);

// SIGCHLD is blocked in the test's thread while it waits for its victim, so that it can wait with a
// limit; the victim has it as it was.
class ChildSignalBlocked {
 public:
  ChildSignalBlocked() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGCHLD);
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~ChildSignalBlocked() { restore(); }
  void restore() const { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  static void wait_ms(int ms) {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGCHLD);
    const timespec limit{0, ms * 1'000'000L};
    ::sigtimedwait(&set, nullptr, &limit);
  }

 private:
  sigset_t before_{};
};

#if defined(__x86_64__)
constexpr std::size_t kInstructionPointer = offsetof(user, regs) + offsetof(user_regs_struct, rip);
std::uintptr_t read_instruction(pid_t pid) {
  return static_cast<std::uintptr_t>(::ptrace(PTRACE_PEEKUSER, pid, kInstructionPointer, nullptr));
}
bool comes_from_system_call(pid_t pid) {
  const long code = ::ptrace(PTRACE_PEEKTEXT, pid, read_instruction(pid) - 2, nullptr);
  return (code & 0xffff) == 0x050f;
}
constexpr std::size_t kResult = offsetof(user, regs) + offsetof(user_regs_struct, rax);
long read_result(pid_t pid) { return ::ptrace(PTRACE_PEEKUSER, pid, kResult, nullptr); }
// A hardware breakpoint: it leaves the code as it is, and a child of the victim does not inherit
// it.
bool set_breakpoint(pid_t pid, std::uintptr_t address) {
  constexpr std::size_t kAddress = offsetof(user, u_debugreg);
  constexpr std::size_t kControl = kAddress + 7 * sizeof(long);
  return ::ptrace(PTRACE_POKEUSER, pid, kAddress, address) == 0 &&
         ::ptrace(PTRACE_POKEUSER, pid, kControl, 1) == 0;
}
#else
std::uintptr_t read_instruction(pid_t pid) {
  user_regs_struct registers{};
  iovec room{&registers, sizeof registers};
  ::ptrace(PTRACE_GETREGSET, pid, 1, &room);
  return static_cast<std::uintptr_t>(registers.pc);
}
bool comes_from_system_call(pid_t pid) {
  const long code = ::ptrace(PTRACE_PEEKTEXT, pid, read_instruction(pid) - 4, nullptr);
  return (code & 0xffff'ffff) == 0xd400'0001;
}
long read_result(pid_t pid) {
  user_regs_struct registers{};
  iovec room{&registers, sizeof registers};
  ::ptrace(PTRACE_GETREGSET, pid, 1, &room);
  return static_cast<long>(registers.regs[0]);
}
bool set_breakpoint(pid_t, std::uintptr_t) { return false; }
#endif

}  // namespace

TracedProcess::TracedProcess(const std::function<void()>& approach,
                             const std::function<void()>& act) {
  std::fflush(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "cannot fork");
  if (pid_ == 0) {
    try {
      approach();
      ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      ::raise(SIGSTOP);
      act();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "the victim threw: %s\n", error.what());
    }
    ::_exit(0);
  }
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFSTOPPED(status)) {
    pid_ = -1;
    throw std::runtime_error("the victim ended before it came to the operation");
  }
  ::ptrace(PTRACE_SETOPTIONS, pid_, nullptr, PTRACE_O_EXITKILL);
}

TracedProcess::~TracedProcess() { kill(); }

void TracedProcess::kill() noexcept {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  do {
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  } while (WIFSTOPPED(status));
  pid_ = -1;
}

std::uintptr_t TracedProcess::instruction() const noexcept { return read_instruction(pid_); }

TracedProcess::State TracedProcess::resume(int request) {
  const ChildSignalBlocked blocked;
  ::ptrace(static_cast<__ptrace_request>(request), pid_, nullptr, pending_signal_);
  pending_signal_ = 0;
  auto slept_since = std::chrono::steady_clock::time_point::max();
  for (;;) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      if (!WIFSTOPPED(status)) {
        pid_ = -1;
        return State::kEnded;
      }
      if (WSTOPSIG(status) != SIGTRAP) pending_signal_ = WSTOPSIG(status);
      return State::kStopped;
    }
    ChildSignalBlocked::wait_ms(5);
    const auto now = std::chrono::steady_clock::now();
    // One that is ready to run but gets no CPU is not asleep, however busy the machine is.
    if (state_of(pid_) != 'S') {
      slept_since = std::chrono::steady_clock::time_point::max();
    } else if (slept_since == std::chrono::steady_clock::time_point::max()) {
      slept_since = now;
    } else if (now - slept_since >= kSleep) {
      return State::kBlocked;
    }
  }
}

TracedProcess::State TracedProcess::step() {
  const auto start = std::chrono::steady_clock::now();
  const State state = resume(PTRACE_SINGLESTEP);
  if (state != State::kStopped) return state;
  // On a busy machine the look at a sleeper may come when its poll is over; on a busier one the
  // steps to a poll take longer than the poll would.
  const bool long_one = std::chrono::steady_clock::now() - start >= kSleep;
  if (!long_one && read_result(pid_) != -ETIMEDOUT) return state;
  if (!comes_from_system_call(pid_)) return state;
  return ++(long_one ? long_calls_ : late_calls_) == (long_one ? 2 : 5) ? State::kBlocked : state;
}

TracedProcess::State TracedProcess::next_system_call() { return resume(PTRACE_SYSCALL); }

TracedProcess::State TracedProcess::run_to(std::uintptr_t address, int n) {
  State state = State::kStopped;
  if (instruction() == address) {
    // A breakpoint would report the pass that it stands at a second time.
    if (--n == 0) return state;
    state = step();
    if (state != State::kStopped) return state;
    if (instruction() == address && --n == 0) return state;
  }
  const bool breakpoint = set_breakpoint(pid_, address);
  do {
    state = resume(breakpoint ? PTRACE_CONT : PTRACE_SINGLESTEP);
    if (state == State::kStopped && instruction() == address) --n;
  } while (state == State::kStopped && n > 0);
  return state;
}

}  // namespace multiprocessing::test
