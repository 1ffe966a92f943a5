// SPDX-License-Identifier: BSL-1.0
// Subclasses of Process, as in Python: run() is what the new process does. They share a pipe. With
// ProcessOf and serialize they run under every start method.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <string>
#include <utility>

namespace mp = multiprocessing;

using Message = std::pair<int, std::string>;

struct Sender : mp::ProcessOf<Sender> {
  Sender() = default;
  explicit Sender(mp::Connection to) : pipe(std::move(to)) {}
  void run() override { pipe.send(Message(123, "Hello pipe!")); }

  template <class Archive> void serialize(Archive& archive, unsigned) { archive& pipe; }
  mp::Connection pipe;
};

struct Receiver : mp::ProcessOf<Receiver> {
  Receiver() = default;
  explicit Receiver(mp::Connection from) : pipe(std::move(from)) {}
  void run() override {
    const auto [number, text] = pipe.recv<Message>();
    fmt::print("{} {}\n", number, text);
  }

  template <class Archive> void serialize(Archive& archive, unsigned) { archive& pipe; }
  mp::Connection pipe;
};

int main() {
  auto [here, there] = mp::Pipe();
  Receiver receiver(there);
  Sender sender(here);
  receiver.start();
  sender.start();
  receiver.join();
  sender.join();
}
