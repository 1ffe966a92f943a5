// SPDX-License-Identifier: BSL-1.0
#include "process_state.hpp"

#include <cstdio>
#include <fstream>
#include <string>

namespace multiprocessing::test {

char state_of(pid_t id) {
  std::ifstream file("/proc/" + std::to_string(id) + "/stat");
  std::string text;
  std::getline(file, text);
  // Behind the name, which may hold anything.
  const std::size_t name_end = text.rfind(") ");
  return name_end == std::string::npos ? '\0' : text[name_end + 2];
}

int threads_of(pid_t id) {
  std::ifstream file("/proc/" + std::to_string(id) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("Threads:")) return std::stoi(line.substr(8));
  }
  return 0;
}

int tcp_connections_of(int port) {
  std::ifstream file("/proc/net/tcp");
  int connections = 0;
  // Of each line: its number, the own address, the peer's, the state; all hexadecimal.
  for (std::string line; std::getline(file, line);) {
    unsigned own_port = 0;
    unsigned state = 0;
    if (std::sscanf(line.c_str(), " %*d: 0100007F:%x %*x:%*x %x", &own_port, &state) != 2) continue;
    constexpr unsigned kEstablished = 1;
    if (own_port == static_cast<unsigned>(port) && state == kEstablished) ++connections;
  }
  return connections;
}

}  // namespace multiprocessing::test
