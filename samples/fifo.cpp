// SPDX-License-Identifier: BSL-1.0
// A named pipe: lines by way of a path, until the last writer closes; then the next one's.
#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>
#include <multiprocessing/multiprocessing.hpp>
#include <string>

namespace mp = multiprocessing;

// As `echo one > PATH` does it.
void write_lines(const mp::Fifo& fifo, int number) {
  mp::FifoWriter writer = fifo.writer();  // waits for a reader
  writer.write(fmt::format("line 1 of writer {}\n", number));
  writer.write(fmt::format("line 2 of writer {}\n", number));
}

int main() {
  mp::Fifo fifo(std::filesystem::temp_directory_path() / fmt::format("fifo_pipe.{}", ::getpid()));
  mp::FifoReader reader = fifo.reader();
  for (int number = 1; number <= 2; ++number) {
    mp::Process writer(write_lines, fifo, number);
    writer.start();
    try {
      for (;;) fmt::print("read: {}", reader.readline());
    } catch (const mp::EOFError&) {
      fmt::print("the writer has closed\n");
    }
    writer.join();
    reader.reopen();
  }
  fifo.unlink();
}
