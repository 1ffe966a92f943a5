// SPDX-License-Identifier: BSL-1.0
// Every call that waits can be given up on: a timeout is any duration, in units that one can see.
#include <fmt/core.h>

#include <chrono>
#include <multiprocessing/multiprocessing.hpp>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

void hold(mp::Lock lock, mp::Event held, mp::Event over) {
  lock.acquire();
  held.set();
  over.wait();
  lock.release();
}

int main() {
  mp::Lock lock;
  mp::Event held;
  mp::Event over;
  mp::Queue<int> queue;
  auto [reader, writer] = mp::Pipe(false);

  mp::Process holder(hold, lock, held, over);
  holder.start();
  fmt::print("the lock is held by then:  {}\n", held.wait(1min));
  fmt::print("lock.acquire(20ms):        {}\n", lock.acquire(20ms));
  fmt::print("lock.acquire(false):       {}\n", lock.acquire(false));
  fmt::print("over.wait(0.02s):          {}\n", over.wait(std::chrono::duration<double>(0.02)));
  fmt::print("reader.poll(20ms):         {}\n", reader.poll(20ms));
  fmt::print("holder.join(20ms):         {}\n", holder.join(20ms));
  try {
    static_cast<void>(queue.get(20ms));
  } catch (const mp::Empty&) {
    fmt::print("queue.get(20ms):           Empty\n");
  }

  over.set();
  fmt::print("lock.acquire():            {}\n", lock.acquire());
  fmt::print("holder.join():             {}\n", holder.join());
}
