// SPDX-License-Identifier: BSL-1.0
// Datagrams by UDP: whole messages without a connection; the server answers whoever asks.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <string>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

void serve(mp::DatagramSocket socket) {
  for (;;) {
    const mp::Datagram question = socket.recvfrom();
    if (question.bytes.empty()) return;  // an empty message is one like any other
    socket.sendto("Echo: " + question.text(), question.from);
  }
}

int main() {
  mp::DatagramSocket socket({"127.0.0.1", 0});  // bound before the server starts: nothing is lost
  mp::Process server(serve, socket);
  server.start();

  mp::DatagramSocket client({"127.0.0.1", 0});
  for (const char* text : {"Hello", "World"}) {
    client.sendto(text, socket.address());
    const mp::Datagram answer = client.recvfrom(10s);
    fmt::print("{} from {}\n", answer.text(),
               answer.from == socket.address() ? "the server" : "somebody");
  }
  client.sendto("", socket.address());
  server.join();
  fmt::print("server ended with {}\n", server.exitcode().value_or(-1));
}
