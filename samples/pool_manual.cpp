// SPDX-License-Identifier: BSL-1.0
// What a pool can do, as Python's manual shows it: apply, map, imap, callbacks, timeouts, errors.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <chrono>
#include <multiprocessing/multiprocessing.hpp>
#include <string>
#include <thread>
#include <vector>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

int square(int x) { return x * x; }
int add(int a, int b) { return a + b; }
int divide(int a, int b) {
  if (b == 0) throw mp::ValueError("division by zero");
  return a / b;
}

void ordinary_calls(const mp::Pool& pool) {
  fmt::print("apply: {}\n", pool.apply(square, 10));
  fmt::print("map: {}\n", pool.map(square, {0, 1, 2, 3, 4}));
  fmt::print("starmap: {}\n", pool.starmap(add, std::vector<std::pair<int, int>>{{1, 2}, {3, 4}}));
  fmt::print("partial: {}\n", pool.map(mp::partial(add, 100), {1, 2, 3}));
  fmt::print("imap:");
  for (const int x : pool.imap(square, std::vector<int>{5, 6, 7})) fmt::print(" {}", x);
  fmt::print("\n");
}

void callbacks(const mp::Pool& pool) {
  const auto result = pool.map_async(square, std::vector<int>{7, 8, 9});
  result.then([](const std::vector<int>& squares) { fmt::print("callback: {}\n", squares); });
  result.wait();
  fmt::print("ready: {}, successful: {}\n", result.ready(), result.successful());
}

void errors(const mp::Pool& pool) {
  try {
    pool.apply(divide, 1, 0);
  } catch (const mp::ValueError& error) {
    fmt::print("a known error arrives as itself: {}\n", error.what());
  }
  try {
    pool.apply([] { throw std::runtime_error("something else"); });
  } catch (const mp::RemoteError& error) {
    fmt::print("any other as RemoteError: {}: {}\n", error.type_name(), error.message());
  }
}

void timeouts(const mp::Pool& pool) {
  const auto slow = pool.apply_async([] { std::this_thread::sleep_for(200ms); });
  try {
    slow.get(1ms);
  } catch (const mp::TimeoutError&) {
    fmt::print("not there in a millisecond\n");
  }
  slow.get();
  try {
    pool.apply([] { std::this_thread::sleep_for(1h); }, mp::TaskOptions{.timeout = 50ms});
  } catch (const mp::TimeoutError&) {
    fmt::print("a task that took too long was stopped\n");
  }
}

int main() {
  mp::Pool pool(4);
  ordinary_calls(pool);
  callbacks(pool);
  errors(pool);
  timeouts(pool);
  pool.close();
  pool.join();
  try {
    pool.apply(square, 1);
  } catch (const mp::ValueError&) {
    fmt::print("the pool is closed\n");
  }
}
