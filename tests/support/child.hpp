// SPDX-License-Identifier: BSL-1.0
// Plain forked children of a test: they report by exit code and leave by _exit.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <type_traits>
#include <utility>

namespace multiprocessing::test {

/// What a child runs: returns its exit code.
using ChildMain = std::function<int()>;

/// Makes a ChildMain of a callable that returns an exit code, whether all went well, or nothing.
template <class F> ChildMain child_main(F f) {
  using Result = std::invoke_result_t<F&>;
  if constexpr (std::is_void_v<Result>) {
    return [f = std::move(f)]() mutable { return f(), 0; };
  } else if constexpr (std::is_same_v<Result, bool>) {
    return [f = std::move(f)]() mutable { return f() ? 0 : 1; };
  } else {
    return ChildMain(std::move(f));
  }
}

/// A forked child, killed and reaped at the latest with this object. It dies with its parent.
class Child {
 public:
  /// An exception that leaves `f` is printed and gives kThrew.
  template <class F> explicit Child(F f) : Child(child_main(std::move(f)), 0) {}
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), status_(other.status_) {}
  Child& operator=(Child&& other) noexcept;
  ~Child();

  static constexpr int kThrew = 70;

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Waits for the end: the exit code, or -N if signal N ended it.
  int wait();
  /// Whether it has ended; reaps it.
  [[nodiscard]] bool ended();
  void signal(int number) const noexcept;
  /// SIGKILL, and waits for the end.
  void kill();

 private:
  Child(ChildMain f, int);
  pid_t pid_ = -1;
  int status_ = -1;  // the wait status; -1 while it is not reaped
};

/// Runs `f` in a forked child and returns its exit code, or -N if signal N ended it.
template <class F> int in_child(F f) { return Child(std::move(f)).wait(); }

/// Asks `holds` again and again until it says true or the time is over; says which.
bool eventually(const std::function<bool()>& holds,
                std::chrono::milliseconds within = std::chrono::seconds(5));

}  // namespace multiprocessing::test
