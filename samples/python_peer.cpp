// SPDX-License-Identifier: BSL-1.0
// A C++ and a Python process that talk both ways, as two Python processes do.
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <multiprocessing/multiprocessing.hpp>
#include <string>
#include <vector>

namespace mp = multiprocessing;
using mp::Object;
using namespace std::chrono_literals;

// python_peer.py beside this file.
pid_t start_python(int port) {
  std::string words[] = {"python3", PYTHON_PEER, std::to_string(port)};
  char* argv[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t pid = -1;
  if (::posix_spawnp(&pid, "python3", nullptr, nullptr, argv, environ) != 0) return -1;
  return pid;
}

std::vector<int> factors_of(int n) {
  std::vector<int> factors;
  for (int f = 2; n > 1; ++f) {
    for (; n % f == 0; n /= f) factors.push_back(f);
  }
  return factors;
}

int main() {
  // [readme:python]
  mp::Listener listener({"127.0.0.1", 0}, "secret");
  const pid_t python = start_python(listener.address().port());
  mp::Connection connection = listener.accept(30s);  // Python may fail to start

  connection.send(Object::dict({{"words", Object::list({"pear", "apple", "fig"})}}));
  const Object answer = connection.recv();
  fmt::print("python answers {}\n", answer);

  // Or straight as the C++ type.
  const auto [question, number] = connection.recv<std::pair<std::string, int>>();
  fmt::print("python asks for the {} {}\n", question, number);
  connection.send(factors_of(number));
  fmt::print("{}\n", connection.recv<std::string>());
  // [/readme:python]

  mp::SharedMemory block(connection.recv<std::string>());
  const double numbers[] = {1, 1.5, 2, 2.5};
  std::memcpy(block.buf().data(), numbers, sizeof numbers);
  connection.send(true);
  fmt::print("python reads {} in a block of {} bytes\n", connection.recv<std::vector<double>>(),
             block.size());

  int status = 0;
  ::waitpid(python, &status, 0);
  return status;
}
