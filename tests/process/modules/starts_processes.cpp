// SPDX-License-Identifier: BSL-1.0
// A shared library that uses multiprocessing for a program that knows nothing of it.
#include <cstdio>
#include <exception>
#include <multiprocessing/context.hpp>

extern "C" void enter_if_fresh(int argc, char** argv) {
  multiprocessing::freeze_support(argc, argv);
}

extern "C" int run_by(const char* method) try {
  multiprocessing::Process process =
      multiprocessing::get_context(method).Process([] { multiprocessing::exit(9); });
  process.start();
  process.join();
  return process.exitcode().value();
} catch (const std::exception& error) {
  std::printf("%s\n", error.what());
  return 1;
}
