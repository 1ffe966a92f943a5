// SPDX-License-Identifier: BSL-1.0
// Pool against CPython's: trivial tasks, work, large results, and how soon a death is known.
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <multiprocessing/multiprocessing.hpp>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "crew.hpp"
#include "table.hpp"

namespace mp = multiprocessing;

namespace {

int square(int x) { return x * x; }

std::vector<int> numbers(int count) {
  std::vector<int> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

double thousands_a_second(int count, const std::function<void()>& act) {
  const std::int64_t begin = bench::now_ns();
  act();
  return count * 1e6 / static_cast<double>(bench::now_ns() - begin);
}

// Calculates for about so many nanoseconds of one CPU's time.
long work(std::int64_t ns) {
  static const double rounds_a_ns = [] {
    const std::int64_t begin = bench::now_ns();
    volatile long sum = 0;
    for (long i = 0; i < 10'000'000; ++i) sum = sum + i;
    return 1e7 / static_cast<double>(bench::now_ns() - begin);
  }();
  volatile long sum = 0;
  for (long i = 0; i < static_cast<long>(static_cast<double>(ns) * rounds_a_ns); ++i) sum = sum + i;
  return sum;
}

void compare_trivial_tasks(const mp::Pool& pool, int count, int rounds) {
  bench::Table table("100,000 trivial tasks on two workers", "thousand tasks a second",
                     bench::Better::kHigher);
  const std::vector<int> items = numbers(count);
  const auto python = [&](const std::string& call, int tasks) {
    return [=] {
      return bench::from_python("cpython.py", "pool " + std::to_string(tasks) + " " + call);
    };
  };
  table.add_case(
      "map, chunks of 1",
      {{"Pool", [&] { return thousands_a_second(count, [&] { pool.map(square, items, 1); }); }},
       {"CPython Pool", python("chunk1", count)}},
      rounds);
  table.add_case(
      "map, default chunks",
      {{"Pool", [&] { return thousands_a_second(count, [&] { pool.map(square, items); }); }},
       {"CPython Pool", python("chunks", count)}},
      rounds);
  table.add_case("imap_unordered, chunks of 1",
                 {{"Pool",
                   [&] {
                     return thousands_a_second(count, [&] {
                       for (int x : pool.imap_unordered(square, items)) static_cast<void>(x);
                     });
                   }},
                  {"CPython Pool", python("imap", count)}},
                 rounds);
  const int applies = count / 10;
  table.add_case("apply, one by one",
                 {{"Pool",
                   [&] {
                     return thousands_a_second(applies, [&] {
                       for (int i = 0; i < applies; ++i) pool.apply(square, i);
                     });
                   }},
                  {"CPython Pool", python("apply", applies)}},
                 rounds);
}

constexpr int kTasks = 1000;

long millisecond(int) { return work(1'000'000); }

void compare_work(const mp::Pool& pool, int rounds) {
  bench::Table table("1,000 tasks of 1 ms of work", "times the speed of one process",
                     bench::Better::kHigher);
  const auto times_serial = [](const std::function<void()>& act) {
    return [act] {
      const std::int64_t begin = bench::now_ns();
      for (int i = 0; i < kTasks; ++i) millisecond(i);
      const std::int64_t serial = bench::now_ns() - begin;
      const std::int64_t middle = bench::now_ns();
      act();
      return static_cast<double>(serial) / static_cast<double>(bench::now_ns() - middle);
    };
  };
  const auto map = times_serial([&] { pool.map(millisecond, numbers(kTasks)); });
  const auto halves = times_serial([] {
    const pid_t pid = ::fork();
    for (int i = 0; i < kTasks / 2; ++i) millisecond(i);
    if (pid == 0) ::_exit(0);
    ::waitpid(pid, nullptr, 0);
  });
  table.add_case("map", {{"Pool of 2", map}, {"a bare fork, half of the tasks each", halves}},
                 rounds);
}

void compare_large_results(int rounds) {
  bench::Table table("Results of 100 MiB", "GiB a second", bench::Better::kHigher);
  constexpr std::size_t kCount = std::size_t{100} << 17;  // doubles
  const mp::Pool pool(1);
  const auto gib_a_second = [](std::int64_t ns) {
    return static_cast<double>(kCount * 8) / (1 << 30) / (static_cast<double>(ns) * 1e-9);
  };
  const auto ours = [&] {
    // What the task returns is made before the time is taken.
    pool.apply([] { mp::worker_state<std::vector<double>>().assign(kCount, 1.5); });
    const std::int64_t begin = bench::now_ns();
    const auto result =
        pool.apply([] { return std::move(mp::worker_state<std::vector<double>>()); });
    return gib_a_second(bench::now_ns() - begin);
  };
  const auto copy = [&] {
    const std::vector<double> from(kCount, 1.5);
    const std::int64_t begin = bench::now_ns();
    std::vector<double> to(from);
    to.back() = 0;
    return gib_a_second(bench::now_ns() - begin);
  };
  table.add_case(
      "apply",
      {{"Pool", ours},
       {"memcpy to fresh memory", copy},
       {"CPython Pool", [] { return bench::from_python("cpython.py", "pool 1 large"); }}},
      rounds);
}

void time_deaths(int kills) {
  const mp::Pool pool(2);
  std::vector<double> known;
  std::vector<double> full;
  for (int i = 0; i < kills; ++i) {
    const mp::Value<int> taker(0);
    const auto result = pool.apply_async(
        [](mp::Value<int> pid) {
          pid.value() = ::getpid();
          for (;;) ::pause();
        },
        taker);
    while (taker.value() == 0) std::this_thread::yield();
    const std::int64_t begin = bench::now_ns();
    ::kill(taker.value(), SIGKILL);
    try {
      result.get();
    } catch (const mp::WorkerLost&) {
      known.push_back(static_cast<double>(bench::now_ns() - begin) * 1e-6);
    }
    const auto all_there = [&] {
      const auto stats = pool.stats();
      return std::all_of(stats.begin(), stats.end(), [&](const mp::WorkerStats& worker) {
        return worker.pid != 0 && worker.pid != taker.value();
      });
    };
    while (!all_there()) std::this_thread::yield();
    full.push_back(static_cast<double>(bench::now_ns() - begin) * 1e-6);
  }
  fmt::print("\nDeaths of workers: {} of {} known as WorkerLost\n", known.size(), kills);
  fmt::print("  from the kill to the error    median {:.2f} ms, longest {:.2f} ms\n",
             bench::median(known), *std::max_element(known.begin(), known.end()));
  fmt::print("  from the kill to a full pool  median {:.2f} ms, longest {:.2f} ms\n",
             bench::median(full), *std::max_element(full.begin(), full.end()));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Pool against its peers");
  int rounds = 7;
  int count = 100'000;
  int kills = 1000;
  app.add_option("--rounds", rounds, "how often each peer is measured; medians are printed");
  app.add_option("--count", count, "trivial tasks a round");
  app.add_option("--kills", kills, "workers that are killed");
  CLI11_PARSE(app, argc, argv);

  work(1);  // measures its speed, for the workers too: they inherit it
  const mp::Pool pool(2);
  compare_trivial_tasks(pool, count, rounds);
  compare_work(pool, rounds);
  compare_large_results(rounds);
  time_deaths(kills);
}
