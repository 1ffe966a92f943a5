// SPDX-License-Identifier: BSL-1.0
// Lines over TCP: a server gives them back in capitals to any number of clients at once.
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <multiprocessing/multiprocessing.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace mp = multiprocessing;

// One loop for the listener and all who are connected to it, until a message comes from `stop`.
void serve(mp::Listener listener, mp::Connection stop) {
  std::vector<mp::Connection> clients;
  for (;;) {
    std::vector<mp::connection::Waitable> sources{listener, stop};
    sources.insert(sources.end(), clients.begin(), clients.end());
    for (auto& source : mp::connection::wait(sources)) {
      if (source == stop) return;
      if (source == listener) {
        clients.push_back(listener.accept());
        continue;
      }
      mp::Connection& client = *source.connection();
      try {
        auto line = client.recv<std::string>();
        std::transform(line.begin(), line.end(), line.begin(),
                       [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        client.send(line);
      } catch (const mp::EOFError&) {
        std::erase(clients, client);
      }
    }
  }
}

int main() {
  mp::Listener listener({"127.0.0.1", 0}, "secret");  // port 0: a free one
  auto [stop, stopper] = mp::Pipe(false);
  mp::Process server(serve, listener, stop);
  server.start();

  mp::Connection one = mp::Client(listener.address(), "secret");
  mp::Connection other = mp::Client(listener.address(), "secret");
  std::istringstream text("first line\nsecond line\nthird line\n");
  for (std::string line; std::getline(text, line);) {
    one.send(line);
    other.send("other " + line);
    fmt::print("{}\n{}\n", other.recv<std::string>(), one.recv<std::string>());
  }
  stopper.send(true);
  server.join();
  fmt::print("server ended with {}\n", server.exitcode().value_or(-1));
}
