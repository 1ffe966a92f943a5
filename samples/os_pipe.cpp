// SPDX-License-Identifier: BSL-1.0
// The system's own pipe(2) between a program and a process that it starts.
#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <multiprocessing/multiprocessing.hpp>
#include <string>
#include <string_view>

namespace mp = multiprocessing;

void write_message(int read_end, int write_end) {
  ::close(read_end);  // a forked child has both ends; this one only writes
  constexpr std::string_view kMessage = "a message from the child";
  if (::write(write_end, kMessage.data(), kMessage.size()) < 0) std::perror("write");
  ::close(write_end);
}

std::string read_all(int read_end) {
  std::string text;
  std::array<char, 64> part{};
  for (;;) {
    const ssize_t n = ::read(read_end, part.data(), part.size());
    if (n <= 0) return text;
    text.append(part.data(), static_cast<std::size_t>(n));
  }
}

int main() {
  int ends[2];
  if (::pipe(ends) != 0) {
    std::perror("pipe");
    return 1;
  }
  fmt::print("parent: waiting for a message\n");
  mp::Process child(write_message, ends[0], ends[1]);
  child.start();

  ::close(ends[1]);  // or the end of the stream would never come
  fmt::print("parent: got '{}'\n", read_all(ends[0]));
  ::close(ends[0]);
  child.join();
}
