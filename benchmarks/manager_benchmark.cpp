// SPDX-License-Identifier: BSL-1.0
// Calls of a managed dict against a bare round trip through a Unix socket and CPython's Manager;
// how they scale with clients; the memory of a large dict.
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <multiprocessing/multiprocessing.hpp>
#include <string>
#include <unordered_map>

#include "crew.hpp"
#include "table.hpp"

namespace mp = multiprocessing;

namespace {

constexpr std::int64_t kMeasuredNs = 400'000'000;
constexpr std::size_t kRequestBytes = 80;  // about what a read of a dict takes
constexpr std::size_t kReplyBytes = 24;

using Ages = mp::DictProxy<std::string, int>;

// Thousand calls a second of so many processes together.
double calls_per_second(std::size_t clients, const std::function<void()>& call) {
  struct Shared {
    std::atomic<std::uint64_t> calls;
  };
  auto& shared = bench::shared<Shared>();
  const auto work = [&] {
    std::uint64_t calls = 0;
    for (int i = 0; i < 100; ++i) call();
    const std::int64_t until = bench::now_ns() + kMeasuredNs;
    for (; bench::now_ns() < until; ++calls) call();
    shared.calls.fetch_add(calls);
  };
  static_cast<void>(bench::time_together(std::vector<bench::Work>(clients, work)));
  return static_cast<double>(shared.calls) / static_cast<double>(kMeasuredNs) * 1e6;
}

double raw_round_trips() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return 0;
  mp::Process echo([end = ends[1], other = ends[0]] {
    ::close(other);
    char buffer[kRequestBytes];
    while (::recv(end, buffer, sizeof buffer, 0) > 0) {
      if (::send(end, buffer, kReplyBytes, MSG_NOSIGNAL) < 0) break;
    }
  });
  echo.start();
  ::close(ends[1]);
  const double result = calls_per_second(1, [end = ends[0]] {
    char buffer[kRequestBytes] = {};
    if (::send(end, buffer, kRequestBytes, MSG_NOSIGNAL) < 0) std::abort();
    if (::recv(end, buffer, sizeof buffer, 0) <= 0) std::abort();
  });
  ::close(ends[0]);
  echo.join();
  return result;
}

double reads(const Ages& ages, std::size_t clients) {
  return calls_per_second(clients, [&ages] {
    if (ages.at("key") != 1) std::abort();
  });
}

std::size_t resident_bytes(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6)) * 1024;
  }
  return 0;
}

std::string key_of(int i) { return "key " + std::to_string(i); }

std::size_t bytes_of_map(int entries) {
  mp::SimpleQueue<std::size_t> bytes;
  mp::Process process([entries, bytes] {
    const std::size_t before = resident_bytes(::getpid());
    std::unordered_map<std::string, int> map;
    for (int i = 0; i < entries; ++i) map.emplace(key_of(i), i);
    bytes.put(resident_bytes(::getpid()) - before);
  });
  process.start();
  const std::size_t result = bytes.get();
  process.join();
  return result;
}

std::size_t bytes_of_dict(int entries) {
  mp::Manager manager;
  const pid_t server = mp::active_children().back().pid();
  const auto dict = manager.dict<std::string, int>();
  const std::size_t before = resident_bytes(server);
  constexpr int kAtOnce = 1000;
  for (int i = 0; i < entries; i += kAtOnce) {
    std::vector<std::pair<std::string, int>> some;
    for (int j = i; j < i + kAtOnce; ++j) some.emplace_back(key_of(j), j);
    dict.update(some);
  }
  return resident_bytes(server) - before;
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 5;
  int entries = 1'000'000;
  CLI::App app("A manager's calls against bare sockets and CPython's Manager");
  app.add_option("--rounds", rounds, "Measurements of each");
  app.add_option("--entries", entries, "Of the large dict");
  CLI11_PARSE(app, argc, argv);

  mp::Manager manager;
  const auto ages = manager.dict<std::string, int>({{"key", 1}});
  bench::Table table("Reads of a managed dict", "thousand a second", bench::Better::kHigher);
  table.add_case("1 client",
                 {{"multiprocessing", [&] { return reads(ages, 1); }},
                  {"raw Unix socket", raw_round_trips},
                  {"CPython", [] { return bench::from_python("cpython_manager.py", ""); }}},
                 rounds);
  table.add_case("8 clients",
                 {{"multiprocessing", [&] { return reads(ages, 8); }},
                  {"multiprocessing, 1 client", [&] { return reads(ages, 1); }}},
                 rounds);

  const auto map = static_cast<double>(bytes_of_map(entries));
  const auto dict = static_cast<double>(bytes_of_dict(entries));
  std::printf(
      "\n%d entries: dict<std::string, int> of a manager %.1f MB, std::unordered_map "
      "%.1f MB, ratio %.2f\n",
      entries, dict / 1e6, map / 1e6, dict / map);
}
