// SPDX-License-Identifier: BSL-1.0
// Names and relations: children, grandchildren, and who the parent is.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <string>

namespace mp = multiprocessing;

void introduce() {
  fmt::print("{}, child of {}\n", mp::current_process().name(), mp::parent_process()->name());
}

void have_children() {
  introduce();
  for (int i = 0; i < 2; ++i) {
    mp::Process child(introduce);
    child.start();
    child.join();
  }
}

int main() {
  fmt::print("{}, child of {}\n", mp::current_process().name(),
             mp::parent_process() ? "somebody" : "nobody");

  mp::Process family(have_children);
  family.start();
  family.join();

  mp::Event over;
  mp::Process guest(
      {.name = "guest", .daemon = true}, [](mp::Event e) { e.wait(); }, over);
  guest.start();
  for (const mp::Process& child : mp::active_children()) {
    fmt::print("{} is alive, a daemon: {}\n", child.name(), child.daemon());
  }
  over.set();
  guest.join();
  fmt::print("alive: {}\n", mp::active_children().size());
}
