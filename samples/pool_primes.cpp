// SPDX-License-Identifier: BSL-1.0
// Primes by an executor: the first program of Python's manual on ProcessPoolExecutor.
#include <fmt/core.h>

#include <cmath>
#include <cstdint>
#include <multiprocessing/multiprocessing.hpp>
#include <vector>

namespace mp = multiprocessing;

bool is_prime(std::int64_t n) {
  if (n < 2) return false;
  if (n % 2 == 0) return n == 2;
  for (std::int64_t i = 3; i <= static_cast<std::int64_t>(std::sqrt(n)); i += 2) {
    if (n % i == 0) return false;
  }
  return true;
}

int main() {
  const std::vector<std::int64_t> candidates{112272535095293, 112582705942171, 112272535095295,
                                             115280095190773, 115797848077099, 1099726899285419};
  // [readme:pool]
  mp::ProcessPoolExecutor executor(4);
  std::size_t i = 0;
  for (const bool prime : executor.map(is_prime, candidates)) {
    fmt::print("{} is prime: {}\n", candidates[i++], prime);
  }
  const mp::Future<bool> one = executor.submit(is_prime, 97);
  fmt::print("97 is prime: {}\n", one.result());
  // [/readme:pool]
}
