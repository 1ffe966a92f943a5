// SPDX-License-Identifier: BSL-1.0
// Lock and Semaphore against pthread's process-shared mutexes and sem_t, and how long a killed
// holder keeps the next one waiting.
#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <multiprocessing/multiprocessing.hpp>

#include "crew.hpp"
#include "table.hpp"

namespace mp = multiprocessing;

namespace {

struct Peers {
  alignas(128) pthread_mutex_t plain;
  alignas(128) pthread_mutex_t robust;
  alignas(128) sem_t semaphore;
};

Peers& peers() {
  static Peers& instance = [] -> Peers& {
    auto& made = bench::shared<Peers>();
    pthread_mutexattr_t attributes;
    ::pthread_mutexattr_init(&attributes);
    ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    ::pthread_mutex_init(&made.plain, &attributes);
    ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    ::pthread_mutex_init(&made.robust, &attributes);
    ::sem_init(&made.semaphore, 1, 1);
    return made;
  }();
  return instance;
}

// Million pairs a second of `processes` that all do nothing else.
template <class Pair> double pairs_per_second(std::size_t processes, Pair pair) {
  struct Shared {
    std::atomic<std::uint64_t> pairs;
  };
  auto& shared = bench::shared<Shared>();
  const auto work = [&] {
    std::uint64_t pairs = 0;
    const std::int64_t until = bench::now_ns() + 300'000'000;
    do {
      for (int i = 0; i < 200; ++i) pair();
      pairs += 200;
    } while (bench::now_ns() < until);
    shared.pairs.fetch_add(pairs);
  };
  const std::int64_t ns = bench::time_together(std::vector<bench::Work>(processes, work));
  return static_cast<double>(shared.pairs) / static_cast<double>(ns) * 1e3;
}

template <class T> double pairs_of(T& object, std::size_t processes) {
  return pairs_per_second(processes, [&] {
    object.acquire();
    object.release();
  });
}

double mutex_pairs(pthread_mutex_t& mutex, std::size_t processes) {
  return pairs_per_second(processes, [&] {
    ::pthread_mutex_lock(&mutex);
    ::pthread_mutex_unlock(&mutex);
  });
}

void add_locks(bench::Table& table, std::size_t processes, int rounds) {
  const std::string name = std::to_string(processes) + " process(es)";
  mp::Lock lock;
  mp::RLock rlock;
  const auto robust = [=] { return mutex_pairs(peers().robust, processes); };
  const auto plain = [=] { return mutex_pairs(peers().plain, processes); };
  table.add_case("Lock, " + name,
                 {{"Lock", [&] { return pairs_of(lock, processes); }},
                  {"pthread robust mutex", robust},
                  {"pthread mutex, process-shared", plain}},
                 rounds);
  table.add_case("RLock, " + name,
                 {{"RLock", [&] { return pairs_of(rlock, processes); }},
                  {"pthread robust mutex", robust},
                  {"pthread mutex, process-shared", plain}},
                 rounds);
}

void add_semaphores(bench::Table& table, std::size_t processes, int rounds) {
  const std::string name = std::to_string(processes) + " process(es)";
  mp::Semaphore semaphore(1);
  mp::BoundedSemaphore bounded(1);
  const auto posix = [=] {
    return pairs_per_second(processes, [] {
      ::sem_wait(&peers().semaphore);
      ::sem_post(&peers().semaphore);
    });
  };
  table.add_case("Semaphore, " + name,
                 {{"Semaphore", [&] { return pairs_of(semaphore, processes); }}, {"sem_t", posix}},
                 rounds);
  table.add_case(
      "BoundedSemaphore, " + name,
      {{"BoundedSemaphore", [&] { return pairs_of(bounded, processes); }}, {"sem_t", posix}},
      rounds);
}

// Microseconds from the holder's SIGKILL to the blocked acquirer's return.
double takeover(mp::Lock& lock) {
  struct Shared {
    std::atomic<bool> held;
    std::atomic<bool> waiting;
    std::atomic<std::int64_t> told;
  };
  auto& shared = bench::shared<Shared>();
  const pid_t holder = ::fork();
  if (holder == 0) {
    lock.acquire();
    shared.held = true;
    for (;;) ::pause();
  }
  while (!shared.held) ::usleep(20);
  const pid_t waiter = ::fork();
  if (waiter == 0) {
    shared.waiting = true;
    try {
      lock.acquire();
    } catch (const mp::OwnerDiedError&) {
      shared.told = bench::now_ns();
    }
    ::_exit(0);
  }
  while (!shared.waiting) ::usleep(20);
  ::usleep(5000);
  const std::int64_t begin = bench::now_ns();
  ::kill(holder, SIGKILL);
  ::waitpid(waiter, nullptr, 0);
  ::waitpid(holder, nullptr, 0);
  lock.make_consistent();
  return static_cast<double>(shared.told - begin) / 1e3;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Locks and semaphores against their peers");
  int rounds = 7;
  int kills = 200;
  app.add_option("--rounds", rounds, "how often each peer is measured; medians are printed");
  app.add_option("--kills", kills, "how many holders are killed");
  CLI11_PARSE(app, argc, argv);

  bench::Table table("Acquire and release", "million pairs/s", bench::Better::kHigher);
  for (std::size_t processes : {1U, 2U, 4U}) add_locks(table, processes, rounds);
  for (std::size_t processes : {1U, 2U, 4U}) add_semaphores(table, processes, rounds);

  mp::Lock lock;
  std::vector<double> times;
  for (int i = 0; i < kills; ++i) times.push_back(takeover(lock));
  std::printf(
      "\nFrom SIGKILL of the holder to the acquirer's return: median %.0f us, worst %.0f us\n",
      bench::median(times), *std::max_element(times.begin(), times.end()));
}
