// SPDX-License-Identifier: BSL-1.0
// Memory by name: a block, a list, and who removes their names.
#include <fmt/core.h>

#include <algorithm>
#include <multiprocessing/multiprocessing.hpp>
#include <string>
#include <system_error>

namespace mp = multiprocessing;

void fill(const std::string& name) {
  mp::SharedMemory block(name);
  std::ranges::fill(block.buf(), std::byte{7});
}

void change(mp::ShareableList list) {
  list[0] = list[0].as<int>() + 1;
  list[1] = "changed";
}

int main(int argc, char** argv) {
  mp::freeze_support(argc, argv);

  mp::SharedMemory block(mp::create, 1000);
  mp::Process filler(fill, block.name());
  filler.start();
  filler.join();
  const auto sevens = std::ranges::count(block.buf(), std::byte{7});
  fmt::print("{} of {} bytes are 7\n", sevens, block.size());
  block.unlink();
  try {
    mp::SharedMemory again(block.name());
  } catch (const std::system_error& error) {
    fmt::print("its name is gone: {}\n", error.code().message());
  }

  // A manager unlinks what it made when it ends.
  mp::SharedMemoryManager manager;
  mp::ShareableList list = manager.ShareableList({41, "a text", 2.5, nullptr});
  mp::Process changer(change, list);
  changer.start();
  changer.join();
  fmt::print("{} {} {} {}\n", list[0], list[1], list[2], list[3]);
  try {
    list[1] = "a text that is too long";
  } catch (const mp::ValueError&) {
    fmt::print("the place of a text does not grow\n");
  }
}
