// SPDX-License-Identifier: BSL-1.0
// Another program than the manager's server: 0 if its tasks are refused there, each with a clear
// error.
#include <cstdlib>
#include <multiprocessing/managers.hpp>
#include <string>

namespace mp = multiprocessing;

int main() {
  const char* const port = std::getenv("PORT");
  if (port == nullptr) return 2;
  mp::SyncManager manager({"127.0.0.1", std::atoi(port)}, "secret");
  manager.connect();
  const auto pool = manager.Pool(1);
  const auto is_refused = [](auto call) {
    try {
      call();
      return false;
    } catch (const mp::RuntimeError& error) {
      return std::string(error.what()).find("another") != std::string::npos;
    }
  };
  const bool task = is_refused([&] { pool.apply([](int x) { return x; }, 1); });
  const bool initializer = is_refused([&] { static_cast<void>(manager.Pool(1, [] {})); });
  return task && initializer ? 0 : 1;
}
