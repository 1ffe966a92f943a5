// SPDX-License-Identifier: BSL-1.0
#include "os/code.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "child.hpp"
#include "watchdog.hpp"

namespace multiprocessing::os {
namespace {

using namespace std::chrono_literals;

// Of a library, which is looked for among all that are loaded.
const void* a_place() { return reinterpret_cast<const void*>(&::getpid); }

TEST(Code, APlaceIsFoundByItsName) { EXPECT_EQ(find_code(name_code(a_place())), a_place()); }

TEST(Code, AChildForkedWhileAThreadLooksForCodeCanLookForItToo) {
  const test::Watchdog watchdog{60s};
  std::atomic<bool> over{false};
  std::thread looking([&] {
    while (!over) static_cast<void>(find_code(name_code(a_place())));
  });

  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(test::in_child([] { return find_code(name_code(a_place())) == a_place(); }), 0);
  }

  over = true;
  looking.join();
}

}  // namespace
}  // namespace multiprocessing::os
