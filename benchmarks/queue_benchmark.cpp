// SPDX-License-Identifier: BSL-1.0
// Queue against the kernel's channels, Boost's message_queue, ZeroMQ and CPython's Queue:
// throughput of several producers and consumers, round trips, and CPU use of idle getters.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <array>
#include <atomic>
#include <cstring>
#include <multiprocessing/multiprocessing.hpp>

#include "crew.hpp"
#include "peers/channel.hpp"
#include "table.hpp"

namespace mp = multiprocessing;
using bench::Work;

namespace {

constexpr std::size_t kCapacity = 1024;

struct Case {
  std::size_t bytes;
  std::size_t producers;
  std::size_t consumers;
  std::size_t messages;  // a producer
};

double thousand_per_second(const Case& c, std::int64_t ns) {
  return static_cast<double>(c.messages * c.producers) / static_cast<double>(ns) * 1e6;
}

// The typed interface as a program uses it, serialisation included.
template <class T> double measure_queue(const Case& c, const T& value) {
  mp::Queue<T> queue(kCapacity);
  std::vector<Work> crew;
  for (std::size_t i = 0; i < c.producers; ++i) {
    crew.emplace_back([&] {
      for (std::size_t n = 0; n < c.messages; ++n) queue.put(value);
    });
  }
  for (std::size_t i = 0; i < c.consumers; ++i) {
    crew.emplace_back([&] {
      for (std::size_t n = 0; n < c.messages * c.producers / c.consumers; ++n) {
        static_cast<void>(queue.get());
      }
    });
  }
  return thousand_per_second(c, bench::time_together(crew));
}

double measure_channel(const Case& c, const std::unique_ptr<bench::PeerChannel>& channel) {
  if (channel == nullptr) return 0;
  std::vector<Work> crew;
  for (std::size_t i = 0; i < c.producers; ++i) {
    crew.emplace_back([&] {
      const std::vector<std::byte> message(c.bytes, std::byte{1});
      for (std::size_t n = 0; n < c.messages; ++n) channel->send(message);
      channel->finish();
    });
  }
  for (std::size_t i = 0; i < c.consumers; ++i) {
    crew.emplace_back([&] {
      std::vector<std::byte> message(c.bytes);
      for (std::size_t n = 0; n < c.messages * c.producers / c.consumers; ++n) {
        channel->receive(message);
      }
      channel->finish();
    });
  }
  return thousand_per_second(c, bench::time_together(crew));
}

// The least that any queue through shared memory must do: copy in, copy out, hand over. Few slots
// make the two sides meet in the same lines, many do not stay in a cache.
double measure_copy_limit(const Case& c) {
  const std::size_t slots_in_cache = (std::size_t{1} << 20) / c.bytes;
  const std::size_t slot_count = std::max<std::size_t>(slots_in_cache, 16);
  struct Shared {
    alignas(128) std::atomic<std::size_t> head;
    alignas(128) std::atomic<std::size_t> tail;
  };
  auto& s = bench::shared<Shared>();
  auto* slots = static_cast<std::byte*>(bench::shared_memory(slot_count * c.bytes));
  std::memset(slots, 1, slot_count * c.bytes);
  const auto produce = [&] {
    const std::vector<std::byte> message(c.bytes, std::byte{1});
    for (std::size_t n = 0; n < c.messages; ++n) {
      while (n - s.head.load(std::memory_order_acquire) == slot_count) {
      }
      std::memcpy(slots + n % slot_count * c.bytes, message.data(), c.bytes);
      s.tail.store(n + 1, std::memory_order_release);
    }
  };
  const auto consume = [&] {
    std::vector<std::byte> message(c.bytes);
    for (std::size_t n = 0; n < c.messages; ++n) {
      while (s.tail.load(std::memory_order_acquire) == n) {
      }
      std::memcpy(message.data(), slots + n % slot_count * c.bytes, c.bytes);
      s.head.store(n + 1, std::memory_order_release);
    }
  };
  return thousand_per_second(c, bench::time_together({produce, consume}));
}

std::string name_of(const Case& c) {
  const std::string size = c.bytes < 1024 ? std::to_string(c.bytes) + " B"
                           : c.bytes < std::size_t{1024} * 1024
                               ? std::to_string(c.bytes >> 10) + " KiB"
                               : std::to_string(c.bytes >> 20) + " MiB";
  return size + ", " + std::to_string(c.producers) + " producer(s), " +
         std::to_string(c.consumers) + " consumer(s), " + std::to_string(c.messages) + " each";
}

template <class T>
void add_throughput(bench::Table& table, const Case& c, const T& value, int rounds) {
  const bool several = c.producers + c.consumers > 2;
  std::vector<bench::Table::Entry> entries{
      {"Queue", [&] { return measure_queue<T>(c, value); }},
      {"pipe", [&] { return measure_channel(c, bench::make_pipe(several)); }},
      {"socketpair", [&] { return measure_channel(c, bench::make_socketpair(several)); }},
      {"POSIX mq", [&] { return measure_channel(c, bench::make_posix_queue(c.bytes)); }},
      {"Boost message_queue",
       [&] {
         return measure_channel(c,
                                bench::make_boost_queue(c.bytes, c.bytes > 65536 ? 16 : kCapacity));
       }},
#ifdef HAVE_ZEROMQ
      {"ZeroMQ ipc",
       [&] { return measure_channel(c, bench::make_zeromq(c.consumers, kCapacity)); }},
#endif
  };
  if (c.bytes >= 1024 && !several) {
    entries.push_back({"copy in, copy out", [&] { return measure_copy_limit(c); }});
  }
  if (!several) {
    const std::size_t count = c.bytes >= 65536 ? 2000 : 30000;
    entries.push_back({"CPython Queue", [&, count] {
                         return bench::from_python(
                             "cpython.py",
                             "queue " + std::to_string(c.bytes) + " " + std::to_string(count));
                       }});
  }
  table.add_case(name_of(c), entries, rounds);
}

void throughput(int rounds) {
  bench::Table table("Throughput, bounded at 1024", "thousand messages/s", bench::Better::kHigher);
  add_throughput<std::uint64_t>(table, {8, 1, 1, 1'000'000}, 7, rounds);
  add_throughput(table, {64, 1, 1, 1'000'000}, std::array<std::uint64_t, 8>{1, 2, 3}, rounds);
  add_throughput(table, {1024, 1, 1, 1'000'000}, std::array<std::uint64_t, 128>{1, 2, 3}, rounds);
  add_throughput(table, {65536, 1, 1, 20'000}, std::vector<std::byte>(65536), rounds);
  add_throughput(table, {1 << 20, 1, 1, 2'000}, std::vector<std::byte>(1 << 20), rounds);
  add_throughput(table, {64, 4, 4, 200'000}, std::array<std::uint64_t, 8>{1, 2, 3}, rounds);
}

using Together = std::int64_t (*)(const std::vector<Work>&);

double queue_round_trip(std::size_t count, Together together) {
  using T = std::array<std::uint64_t, 8>;
  mp::Queue<T> there(kCapacity);
  mp::Queue<T> back(kCapacity);
  std::int64_t* result = &bench::shared<std::int64_t>();
  together({[&] {
              std::vector<double> times;
              for (std::size_t n = 0; n < count; ++n) {
                const std::int64_t begin = bench::now_ns();
                there.put(T{});
                static_cast<void>(back.get());
                times.push_back(static_cast<double>(bench::now_ns() - begin));
              }
              *result = static_cast<std::int64_t>(bench::median(times));
            },
            [&] {
              for (std::size_t n = 0; n < count; ++n) back.put(there.get());
            }});
  return static_cast<double>(*result) / 1e3;
}

double pipe_round_trip(std::size_t count, Together together) {
  const auto there = bench::make_pipe(false);
  const auto back = bench::make_pipe(false);
  std::int64_t* result = &bench::shared<std::int64_t>();
  together({[&] {
              std::array<std::byte, 64> message{};
              std::vector<double> times;
              for (std::size_t n = 0; n < count; ++n) {
                const std::int64_t begin = bench::now_ns();
                there->send(message);
                back->receive(message);
                times.push_back(static_cast<double>(bench::now_ns() - begin));
              }
              *result = static_cast<std::int64_t>(bench::median(times));
            },
            [&] {
              std::array<std::byte, 64> message{};
              for (std::size_t n = 0; n < count; ++n) {
                there->receive(message);
                back->send(message);
              }
            }});
  return static_cast<double>(*result) / 1e3;
}

void round_trips(int rounds) {
  bench::Table table("Round trip of 64 B", "median microseconds", bench::Better::kLower);
  const auto add = [&](const char* name, Together together) {
    table.add_case(name,
                   {{"Queue", [=] { return queue_round_trip(20'000, together); }},
                    {"pipe", [=] { return pipe_round_trip(20'000, together); }},
                    {"CPython SimpleQueue",
                     [] { return bench::from_python("cpython.py", "roundtrip 64 5000"); }}},
                   rounds);
  };
  add("both sides running", bench::time_together);
  add("both on one CPU, so each sleeps", bench::time_on_one_cpu);
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void idle_getters() {
  mp::Queue<int> queue;
  auto& used = bench::shared<double>();
  const auto get = [&] {
    const double before = cpu_seconds();
    try {
      static_cast<void>(queue.get(std::chrono::seconds(5)));
    } catch (const mp::Empty&) {
    }
    std::atomic_ref<double>(used).fetch_add(cpu_seconds() - before);
  };
  bench::time_together(std::vector<Work>(10, get));
  std::printf("\nTen getters blocked for 5 s used %.1f ms of CPU together\n", used * 1e3);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Queue against its peers");
  int rounds = 5;
  std::string only;
  app.add_option("--rounds", rounds, "how often each peer is measured; medians are printed");
  app.add_option("--only", only, "throughput, roundtrip or idle");
  CLI11_PARSE(app, argc, argv);
  if (only.empty() || only == "throughput") throughput(rounds);
  if (only.empty() || only == "roundtrip") round_trips(rounds);
  if (only.empty() || only == "idle") idle_getters();
}
