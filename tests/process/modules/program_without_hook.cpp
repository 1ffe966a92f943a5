// SPDX-License-Identifier: BSL-1.0
// A program that uses the library through another one alone:
//   program_without_hook METHOD [freeze_support]
#include <cstdio>

extern "C" void enter_if_fresh(int argc, char** argv);
extern "C" int run_by(const char* method);

int main(int argc, char** argv) {
  if (argc != 2) enter_if_fresh(argc, argv);
  std::printf("in main\n");
  return run_by(argv[1]);
}
