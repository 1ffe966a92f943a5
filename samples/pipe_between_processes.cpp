// SPDX-License-Identifier: BSL-1.0
// Two processes, each with one end of a pipe: one sends a map, the other receives it.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <map>
#include <multiprocessing/multiprocessing.hpp>
#include <string>

namespace mp = multiprocessing;

void send_data(mp::Connection connection) {
  connection.send(std::map<std::string, int>{{"data", 42}});
  connection.close();
}

void receive_data(mp::Connection connection) {
  const auto message = connection.recv<std::map<std::string, int>>();
  fmt::print("received {}\n", message);
  connection.close();
}

int main() {
  auto [left, right] = mp::Pipe();
  mp::Process sender(send_data, right);
  mp::Process receiver(receive_data, left);
  sender.start();
  receiver.start();
  sender.join();
  receiver.join();
}
