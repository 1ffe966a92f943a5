// SPDX-License-Identifier: BSL-1.0
// A text in shared memory that one process writes line by line and another reads meanwhile.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>

namespace mp = multiprocessing;

// Each side says when it is done; so nobody reads half a line, and nobody sleeps and hopes.
struct Page {
  mp::Array<char> text = mp::Array<char>(1024);
  mp::Semaphore written{0};
  mp::Semaphore read{0};
};

void write_lines(Page page, int lines) {
  for (int i = 1; i <= lines; ++i) {
    page.text.value(page.text.value() + fmt::format(" msg {}", i));
    page.written.release();
    page.read.acquire();
  }
}

void read_lines(Page page, int lines) {
  for (int i = 0; i < lines; ++i) {
    page.written.acquire();
    fmt::print("read{}\n", page.text.value());
    page.read.release();
  }
}

int main() {
  constexpr int kLines = 5;
  Page page;
  mp::Process writer(write_lines, page, kLines);
  mp::Process reader(read_lines, page, kLines);
  writer.start();
  reader.start();
  writer.join();
  reader.join();
}
