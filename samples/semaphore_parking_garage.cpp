// SPDX-License-Identifier: BSL-1.0
// A semaphore counts free places: nine cars, a garage for three.
#include <fmt/core.h>

#include <algorithm>
#include <multiprocessing/multiprocessing.hpp>
#include <mutex>
#include <vector>

namespace mp = multiprocessing;

constexpr int kPlaces = 3;

struct Garage {
  mp::BoundedSemaphore places{kPlaces};
  mp::Barrier three_inside{kPlaces};
  mp::Array<int> inside_and_most{0, 0};
};

void park(Garage garage) {
  const std::scoped_lock place(garage.places);  // drives in, or waits until a place is free
  garage.inside_and_most.update([](auto count) { count[1] = std::max(count[1], ++count[0]); });
  garage.three_inside.wait();  // nobody leaves before the garage was full
  garage.inside_and_most.update([](auto count) { --count[0]; });
}

int main() {
  Garage garage;
  std::vector<mp::Process> cars;
  for (int i = 0; i < 9; ++i) cars.emplace_back(park, garage).start();
  for (mp::Process& car : cars) car.join();

  fmt::print("most cars at once: {}\n", garage.inside_and_most[1]);
  fmt::print("still inside:      {}\n", garage.inside_and_most[0]);
  fmt::print("free places:       {}\n", garage.places.get_value());
  try {
    garage.places.release();
  } catch (const mp::ValueError&) {
    fmt::print("nobody can leave an empty garage\n");
  }
}
