// SPDX-License-Identifier: BSL-1.0
// A server at a Unix socket gives back what its client says, until the client says QUIT.
#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>
#include <multiprocessing/multiprocessing.hpp>
#include <string>

namespace mp = multiprocessing;

void serve(mp::Listener listener) {
  mp::Connection connection = listener.accept();
  for (;;) {
    const auto text = connection.recv<std::string>();
    if (text == "QUIT") return;
    connection.send("Echo: " + text);
  }
}

int main() {
  const std::string path =
      std::filesystem::temp_directory_path() / fmt::format("ipc_socket.{}", ::getpid());
  // It listens at once: the client need not wait for the server to be there.
  mp::Process server;
  {
    mp::Listener listener(path, "secret");
    server = mp::Process(serve, listener);
    server.start();

    mp::Connection connection = mp::Client(path, "secret");
    fmt::print("client: connected\n");
    for (const char* text : {"Hello", "World", "From", "Client"}) {
      connection.send(text);
      fmt::print("client: received '{}'\n", connection.recv<std::string>());
    }
    connection.send("QUIT");
    server.join();
  }  // the last handle removes the socket's file
  fmt::print("server: ended with {}, its socket is {}\n", server.exitcode().value_or(-1),
             std::filesystem::exists(path) ? "still there" : "gone");
}
