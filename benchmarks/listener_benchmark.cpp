// SPDX-License-Identifier: BSL-1.0
// Messages there and back through a Listener's Connection, against a bare socket and CPython.
#include <sys/socket.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <array>
#include <multiprocessing/multiprocessing.hpp>
#include <string>
#include <thread>
#include <vector>

#include "crew.hpp"
#include "table.hpp"

namespace mp = multiprocessing;

namespace {

using Message = std::array<std::byte, 64>;

double microseconds(std::int64_t ns, int times) {
  return static_cast<double>(ns) / 1e3 / static_cast<double>(times);
}

// An address of its own for each measurement.
mp::Address next_address() {
  static int count = 0;
  using namespace std::string_literals;
  return mp::Address("\0mp-benchmark-"s + std::to_string(::getpid()) + "-" +
                     std::to_string(++count));
}

void echo_all(mp::Connection connection) {
  try {
    for (;;) connection.send_bytes(connection.recv_bytes());
  } catch (const mp::EOFError&) {
  }
}

double by_connection(int times) {
  const mp::Address address = next_address();
  const auto client = [&] {
    mp::Connection connection = mp::Client(address);
    Message message{};
    for (int i = 0; i < times; ++i) {
      connection.send_bytes(message);
      connection.recv_bytes_into(message);
    }
  };
  mp::Listener listener(address);
  return microseconds(bench::time_together({client, [&] { echo_all(listener.accept()); }}), times);
}

void transfer(int fd, ssize_t (*call)(int, void*, std::size_t), Message& message) {
  for (std::size_t done = 0; done < message.size();) {
    const ssize_t n = call(fd, message.data() + done, message.size() - done);
    if (n <= 0) std::exit(1);
    done += static_cast<std::size_t>(n);
  }
}

double by_socket(int times) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return 0;
  const auto send = [](int fd, void* data, std::size_t size) {
    return ::send(fd, data, size, MSG_NOSIGNAL);
  };
  const auto receive = [](int fd, void* data, std::size_t size) {
    return ::recv(fd, data, size, 0);
  };
  Message message{};
  const std::int64_t ns = bench::time_together({[&] {
                                                  for (int i = 0; i < times; ++i) {
                                                    transfer(ends[0], send, message);
                                                    transfer(ends[0], receive, message);
                                                  }
                                                },
                                                [&] {
                                                  for (int i = 0; i < times; ++i) {
                                                    transfer(ends[1], receive, message);
                                                    transfer(ends[1], send, message);
                                                  }
                                                }});
  ::close(ends[0]);
  ::close(ends[1]);
  return microseconds(ns, times);
}

// What a Python client measures: against its own Listener, or against ours, which echoes pickles as
// it got them.
double python_client(bool ours, int times) {
  const std::string arguments = "listener " + std::to_string(times);
  if (!ours) return bench::from_python("cpython.py", arguments);
  const std::string path = "/tmp/mp-benchmark-" + std::to_string(::getpid());
  mp::Listener listener(path);
  std::thread echo([&] { echo_all(listener.accept()); });
  const double result = bench::from_python("cpython.py", arguments + " " + path);
  if (result == 0) mp::Client(path).close();  // nobody came
  echo.join();
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Listener and Client against their peers");
  int rounds = 7;
  int times = 20'000;
  app.add_option("--rounds", rounds, "how often each peer is measured; medians are printed");
  app.add_option("--times", times, "how many messages go there and back");
  CLI11_PARSE(app, argc, argv);

  bench::Table table("Unix socket, 64 B there and back", "microseconds, less is better",
                     bench::Better::kLower);
  table.add_case("by this library",
                 {{"Listener and Client", [&] { return by_connection(times); }},
                  {"bare socket", [&] { return by_socket(times); }},
                  {"CPython's both", [&] { return python_client(false, times / 4); }}},
                 rounds);
  table.add_case("by a Python client",
                 {{"our Listener", [&] { return python_client(true, times / 4); }},
                  {"CPython's Listener", [&] { return python_client(false, times / 4); }}},
                 rounds);
}
