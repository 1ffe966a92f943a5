// SPDX-License-Identifier: BSL-1.0
// Conditions over shared memory: a cook fills a counter of three plates, a waiter empties it.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <mutex>

namespace mp = multiprocessing;

struct Counter {
  mp::Lock lock;
  mp::Condition not_full{lock};
  mp::Condition not_empty{lock};
  mp::RawArray<int> plates{0, 0, 0};
  mp::RawValue<std::size_t> cooked{0};
  mp::RawValue<std::size_t> served{0};

  [[nodiscard]] std::size_t waiting() const { return cooked.value() - served.value(); }
};

void cook(Counter counter, int dishes) {
  for (int dish = 1; dish <= dishes; ++dish) {
    const std::scoped_lock guard(counter.lock);
    counter.not_full.wait_for([&] { return counter.waiting() < counter.plates.size(); });
    counter.plates[counter.cooked.value()++ % counter.plates.size()] = dish;
    counter.not_empty.notify();
  }
}

void serve(Counter counter, int dishes) {
  for (int i = 0; i < dishes; ++i) {
    const std::scoped_lock guard(counter.lock);
    counter.not_empty.wait_for([&] { return counter.waiting() > 0; });
    const int dish = counter.plates[counter.served.value()++ % counter.plates.size()];
    fmt::print("dish {} is served\n", dish);
    counter.not_full.notify();
  }
}

int main() {
  constexpr int kDishes = 8;
  Counter counter;
  mp::Process waiter(serve, counter, kDishes);
  mp::Process chef(cook, counter, kDishes);
  waiter.start();
  chef.start();
  chef.join();
  waiter.join();
  fmt::print("{} dishes, {} left\n", counter.cooked.value(), counter.waiting());
}
