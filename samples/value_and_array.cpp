// SPDX-License-Identifier: BSL-1.0
// Shared memory: a number, an array and a struct that a child changes and the parent sees.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <multiprocessing/multiprocessing.hpp>
#include <mutex>
#include <numeric>

namespace mp = multiprocessing;

struct Point {
  double x, y;
};

void change(mp::Value<double> number, mp::Array<int> numbers, mp::Value<Point> point) {
  number.value() = 3.1415927;
  for (int& n : numbers) n = -n;
  const std::scoped_lock guard(point.get_lock());  // x and y belong together
  point.value().x *= 10;
  point.value().y *= 10;
}

int main() {
  mp::Value<mp::typecode<'d'>> number(0.0);  // Python's Value('d', 0.0); Value<double> is the same
  mp::Array<int> numbers(10);
  std::iota(numbers.begin(), numbers.end(), 0);
  mp::Value<Point> point(1.5, 2.5);

  mp::Process child(change, number, numbers, point);
  child.start();
  child.join();

  fmt::print("{}\n", number.value());
  fmt::print("{}\n", numbers.slice());
  fmt::print("the last three: {}\n", numbers.slice(-3));
  fmt::print("({}, {})\n", point.value().x, point.value().y);
}
