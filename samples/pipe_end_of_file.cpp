// SPDX-License-Identifier: BSL-1.0
// The end of a stream: EOFError comes once every process has closed the writer's end.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>

namespace mp = multiprocessing;

void receive_all(mp::Connection reader, mp::Connection writer) {
  writer.close();  // this process's copy; else it would wait for itself for ever
  try {
    for (;;) fmt::print("child: {}\n", reader.recv<int>());
  } catch (const mp::EOFError&) {
    fmt::print("child: that was all\n");
  }
}

int main() {
  auto [reader, writer] = mp::Pipe(false);
  mp::Process child(receive_all, reader, writer);
  child.start();
  reader.close();

  for (int i = 0; i < 5; ++i) writer.send(i);
  writer.close();
  child.join();
  fmt::print("parent: the child has ended\n");
}
