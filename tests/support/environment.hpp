// SPDX-License-Identifier: BSL-1.0
// What a test tells the fresh program that it starts.
#pragma once
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace multiprocessing::test {

/// A variable that must be there. THROWS: std::invalid_argument.
inline std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) throw std::invalid_argument(std::string(name) + " is not set");
  return value;
}

}  // namespace multiprocessing::test
