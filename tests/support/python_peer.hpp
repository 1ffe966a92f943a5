// SPDX-License-Identifier: BSL-1.0
// A Python program on the other side: Debian's python3, which gets and gives messages by its
// standard input and output, each as a length (u32, little-endian) and as many bytes.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace multiprocessing::test {

class PythonPeer {
 public:
  /// Starts `python script arguments…`.
  PythonPeer(const std::string& script, const std::vector<std::string>& arguments,
             const std::string& python = "python3");
  PythonPeer(const PythonPeer&) = delete;
  PythonPeer& operator=(const PythonPeer&) = delete;
  /// Kills it if it is still there.
  ~PythonPeer();

  void send(std::string_view message);
  void send(std::span<const std::byte> message);
  /// THROWS: std::runtime_error if it has ended.
  [[nodiscard]] std::string receive();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Closes its standard input and waits for its end: its exit code, or -N if signal N ended it.
  int finish();

 private:
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
};

}  // namespace multiprocessing::test
