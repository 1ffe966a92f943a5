// SPDX-License-Identifier: BSL-1.0
// A Namespace, an Event and a Lock of a manager: settings that processes share.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <mutex>

namespace mp = multiprocessing;

void work(mp::NamespaceProxy settings, mp::LockProxy lock, mp::EventProxy go) {
  go.wait();
  const std::scoped_lock guard(lock);
  settings["done"] = settings.get<int>("done") + 1;
}

int main() {
  mp::Manager manager;
  auto settings = manager.Namespace({{"greeting", "hello"}, {"done", 0}});
  auto lock = manager.Lock();
  auto go = manager.Event();

  std::vector<mp::Process> workers;
  for (int i = 0; i < 3; ++i) workers.emplace_back(work, settings, lock, go).start();
  settings["limit"] = 2.5;
  go.set();
  for (auto& worker : workers) worker.join();

  fmt::print("{}\n", settings);
  try {
    fmt::print("{}\n", settings.get("nothing"));
  } catch (const mp::AttributeError& error) {
    fmt::print("{}\n", error.what());
  }
}
