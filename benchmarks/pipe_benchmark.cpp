// SPDX-License-Identifier: BSL-1.0
// Pipe's send and recv against a framed socketpair and CPython's Pipe.
#include <CLI/CLI.hpp>
#include <array>
#include <multiprocessing/multiprocessing.hpp>

#include "crew.hpp"
#include "peers/channel.hpp"
#include "table.hpp"

namespace mp = multiprocessing;

namespace {

double per_second(std::size_t messages, std::int64_t ns) {
  return static_cast<double>(messages) / static_cast<double>(ns) * 1e6;
}

template <class T> double measure_pipe(const T& value, std::size_t messages) {
  auto [reader, writer] = mp::Pipe(false);
  // Clang 14 captures no structured bindings.
  mp::Connection& from = reader;
  mp::Connection& to = writer;
  return per_second(messages, bench::time_together({[&] {
                                                      for (std::size_t n = 0; n < messages; ++n) {
                                                        to.send(value);
                                                      }
                                                    },
                                                    [&] {
                                                      for (std::size_t n = 0; n < messages; ++n) {
                                                        static_cast<void>(from.recv<T>());
                                                      }
                                                    }}));
}

double measure_channel(const std::unique_ptr<bench::PeerChannel>& channel, std::size_t bytes,
                       std::size_t messages) {
  return per_second(messages, bench::time_together({[&] {
                                                      const std::vector<std::byte> message(bytes);
                                                      for (std::size_t n = 0; n < messages; ++n)
                                                        channel->send(message);
                                                    },
                                                    [&] {
                                                      std::vector<std::byte> message(bytes);
                                                      for (std::size_t n = 0; n < messages; ++n) {
                                                        channel->receive(message);
                                                      }
                                                    }}));
}

using Message = std::array<std::uint64_t, 8>;

// The mean: both sides must find each other awake nearly always, after each disturbance.
double microseconds_each(std::size_t messages, const bench::Work& ask, const bench::Work& answer) {
  const auto often = [messages](const bench::Work& act) {
    return [&act, messages] {
      for (std::size_t n = 0; n < messages; ++n) act();
    };
  };
  const std::int64_t ns = bench::time_together({often(ask), often(answer)});
  return static_cast<double>(ns) / static_cast<double>(messages) / 1e3;
}

double pipe_round_trip(std::size_t messages) {
  auto [first, second] = mp::Pipe();
  mp::Connection& here = first;
  mp::Connection& there = second;
  return microseconds_each(
      messages,
      [&] {
        here.send(Message{1});
        static_cast<void>(here.recv<Message>());
      },
      [&] { there.send(there.recv<Message>()); });
}

double channel_round_trip(std::size_t messages) {
  const auto to = bench::make_socketpair(false);
  const auto from = bench::make_socketpair(false);
  std::array<std::byte, 64> message{};
  return microseconds_each(
      messages,
      [&] {
        to->send(message);
        from->receive(message);
      },
      [&] {
        to->receive(message);
        from->send(message);
      });
}

void round_trips(int rounds) {
  bench::Table table("Pipe, 64 B there and back", "mean microseconds", bench::Better::kLower);
  table.add_case("both sides running",
                 {{"Pipe", [] { return pipe_round_trip(100'000); }},
                  {"framed socketpair", [] { return channel_round_trip(10'000); }},
                  {"CPython SimpleQueue",
                   [] { return bench::from_python("cpython.py", "roundtrip 64 5000"); }}},
                 rounds);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Pipe against its peers");
  int rounds = 7;
  app.add_option("--rounds", rounds, "how often each peer is measured; medians are printed");
  CLI11_PARSE(app, argc, argv);

  bench::Table table("Pipe, one sender, one receiver", "thousand messages/s",
                     bench::Better::kHigher);
  const auto add = [&](const char* name, std::size_t bytes, std::size_t messages, auto value) {
    table.add_case(
        name,
        {{"Pipe", [=] { return measure_pipe(value, messages); }},
         {"framed socketpair",
          [=] { return measure_channel(bench::make_socketpair(false), bytes, messages); }},
         {"CPython Pipe",
          [=] {
            return bench::from_python("cpython.py", "pipe " + std::to_string(bytes) + " 30000");
          }}},
        rounds);
  };
  add("64 B", 64, 300'000, Message{1, 2, 3});
  add("64 KiB", 65536, 20'000, std::vector<std::byte>(65536));
  round_trips(rounds);
}
