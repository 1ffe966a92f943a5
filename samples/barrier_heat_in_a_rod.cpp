// SPDX-License-Identifier: BSL-1.0
// A barrier keeps processes in step: each computes its part of a heated rod, moment by moment.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <array>
#include <multiprocessing/multiprocessing.hpp>
#include <vector>

namespace mp = multiprocessing;

constexpr int kCells = 12;
constexpr int kParts = 3;
constexpr std::size_t kMoments = 200;

using Rod = mp::RawArray<double>;

void compute(std::array<Rod, 2> rods, mp::Barrier step, int first, int last) {
  for (std::size_t moment = 0; moment < kMoments; ++moment) {
    const Rod& now = rods[moment % 2];
    const Rod& next = rods[(moment + 1) % 2];
    for (int i = first; i < last; ++i) next[i] = (now[i - 1] + 2 * now[i] + now[i + 1]) / 4;
    step.wait();  // nobody reads the next moment before all have written it
  }
}

int main() {
  // One end in the fire, the other in ice; between them the cells.
  std::array<Rod, 2> rods{Rod(kCells + 2), Rod(kCells + 2)};
  for (const Rod& rod : rods) rod[0] = 1000;

  mp::Barrier step(kParts);
  std::vector<mp::Process> parts;
  for (int part = 0; part < kParts; ++part) {
    const int first = 1 + part * kCells / kParts;
    parts.emplace_back(compute, rods, step, first, first + kCells / kParts).start();
  }
  for (mp::Process& part : parts) part.join();

  fmt::print("after {} moments: {:.0f}\n", kMoments, fmt::join(rods[kMoments % 2], " "));
}
