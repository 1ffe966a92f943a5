// SPDX-License-Identifier: BSL-1.0
// The main of every test program.
#include <gtest/gtest.h>

#include "fresh_program.hpp"

int main(int argc, char** argv) {
  if (const int code = test::run_requested_scenario(argc, argv); code >= 0) return code;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
