// SPDX-License-Identifier: BSL-1.0
// A dict and a list in a manager's server, changed by another process: the program of Python's
// manual, with keys of several types.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <numeric>
#include <vector>

namespace mp = multiprocessing;

void f(mp::DictProxy<> d, mp::ListProxy<> l) {
  d[1] = "1";
  d["2"] = 2;
  d[0.25] = nullptr;
  l.reverse();
}

void add(mp::DictProxy<std::string, mp::ListProxy<int>> scores) { scores["ada"]->append(8); }

int main() {
  // [readme:manager]
  mp::Manager manager;
  auto d = manager.dict();
  std::vector<int> numbers(10);
  std::iota(numbers.begin(), numbers.end(), 0);
  auto l = manager.list(numbers);

  mp::Process p(f, d, l);
  p.start();
  p.join();

  fmt::print("{}\n", d);
  fmt::print("{}\n", l);

  // Typed, nested, and changed through any of the proxies.
  auto scores = manager.dict<std::string, mp::ListProxy<int>>();
  scores["ada"] = manager.list<int>({3, 5});
  mp::Process adder(add, scores);
  adder.start();
  adder.join();
  fmt::print("{}\n", scores.at("ada"));
  // [/readme:manager]
}
