// SPDX-License-Identifier: BSL-1.0
// The main of every test program. `--long`: see long_form.hpp.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "fresh_program.hpp"

int main(int argc, char** argv) {
  if (const int code = test::run_requested_scenario(argc, argv); code >= 0) return code;
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--long") ::setenv("MULTIPROCESSING_TEST_LONG", "1", 1);
  }
  return RUN_ALL_TESTS();
}
