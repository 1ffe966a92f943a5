// SPDX-License-Identifier: BSL-1.0
// Pi by Monte Carlo: every worker keeps a random generator, a line on the terminal shows how far
// it has come.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <numeric>
#include <random>
#include <vector>

namespace mp = multiprocessing;

constexpr int kPointsABatch = 20'000;

int hits_of_batch(unsigned number) {
  auto& random = mp::worker_state<std::mt19937>();
  random.seed(number);  // so that the result does not depend on who does what
  std::uniform_real_distribution<double> coordinate(0, 1);
  int hits = 0;
  for (int i = 0; i < kPointsABatch; ++i) {
    const double x = coordinate(random);
    const double y = coordinate(random);
    if (x * x + y * y <= 1) ++hits;
  }
  return hits;
}

int main() {
  std::vector<unsigned> batches(100);
  std::iota(batches.begin(), batches.end(), 1U);

  mp::Pool pool(4);
  const std::vector<int> hits =
      pool.map(hits_of_batch, batches, {.chunksize = 5, .progress = true});

  const double share = std::accumulate(hits.begin(), hits.end(), 0.0) / (100.0 * kPointsABatch);
  fmt::print("pi is about {:.2f}\n", 4 * share);
}
