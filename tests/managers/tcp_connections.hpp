// SPDX-License-Identifier: BSL-1.0
// What the system says of a server's connections.
#pragma once
#include <cstdio>
#include <fstream>
#include <string>

namespace multiprocessing::test {

/// How many ends of TCP connections have this port of 127.0.0.1 and a peer that has not closed its
/// own end.
inline int tcp_connections_of(int port) {
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
