// SPDX-License-Identifier: BSL-1.0
// Callables that are no tasks, and a part of what the compiler says of each; see refused.cmake.
#include <functional>
#include <multiprocessing/pool.hpp>
#include <string>
#include <tuple>

using multiprocessing::detail::check_call;
using multiprocessing::detail::check_task;
using multiprocessing::detail::Style;

int add(int a, int b);
using Add = int (*)(int, int);
using Three = std::tuple<int, int, int>;

class HasState {
 public:
  explicit HasState(int& counter) : counter_(counter) {}
  int operator()(int x) { return counter_ += x; }

 private:
  int& counter_;
};

int main() {
  check_task<Add>();
  check_task<decltype([](int x) { return x; })>();
  check_call<Add, std::tuple<int, int>, Style::kSpread>();
#ifdef REFUSED
  int local = 0;
  const auto captures = [&local](int x) { return x + local; };
  // clang-format off
  check_task<std::function<int(int)>>();          // refused: this callable cannot be a task of a pool.*mp::partial
  check_task<std::decay_t<decltype(captures)>>();  // refused: this callable cannot be a task of a pool.*lambda with captures
  check_task<HasState>();                         // refused: this callable cannot be a task of a pool.*serialize
  check_call<Add, Three, Style::kSpread>();       // refused: the task cannot be called with these arguments
  check_call<Add, std::string, Style::kWhole>();  // refused: the task cannot be called with these arguments
  // clang-format on
#endif
}
