// SPDX-License-Identifier: BSL-1.0
// The file of a bound Unix socket: made by bind, removed by who made it.
//
// A killed process leaves its file behind. Who binds to the same path takes its place if no socket
// is bound to it any more. Two that come at once take turns by a lock (flock) on the folder, which
// the kernel drops with its holder; it is held until the new socket answers.
#pragma once
#include <sys/types.h>

#include <string>

#include "os/socket_address.hpp"

namespace multiprocessing::os {

class SocketFile {
 public:
  SocketFile() noexcept = default;

  /// Binds the stream or datagram socket `fd` to the path, which is not abstract, and has it listen
  /// unless `backlog` is negative. THROWS: std::system_error; EADDRINUSE where a socket is alive,
  /// or where the file is no socket.
  SocketFile(int fd, const SocketAddress& address, int backlog);

  /// Removes the file, if it is still the one that was made.
  void remove() noexcept;

 private:
  std::string path_;  // absolute; empty: none
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace multiprocessing::os
