// SPDX-License-Identifier: BSL-1.0
// Workers take tasks from one queue and put results into another (the manual's first program).
#include <fmt/core.h>

#include <map>
#include <multiprocessing/multiprocessing.hpp>
#include <string>
#include <variant>
#include <vector>

namespace mp = multiprocessing;

struct Multiply {
  int a, b;
};
struct Add {
  int a, b;
};
struct Stop {};
using Operation = std::variant<Multiply, Add, Stop>;

struct Task {
  int number;
  Operation operation;
};
struct Result {
  int number;
  std::string text;
};

struct Calculate {
  std::string operator()(Multiply m) const {
    return fmt::format("{} * {} = {}", m.a, m.b, m.a * m.b);
  }
  std::string operator()(Add s) const { return fmt::format("{} + {} = {}", s.a, s.b, s.a + s.b); }
  std::string operator()(Stop) const { return {}; }
};

void work(mp::Queue<Task> tasks, mp::Queue<Result> results) {
  for (;;) {
    const Task task = tasks.get();
    if (std::holds_alternative<Stop>(task.operation)) return;
    results.put({task.number, std::visit(Calculate{}, task.operation)});
  }
}

int main() {
  constexpr int kWorkers = 4;
  constexpr int kTasks = 10;
  mp::Queue<Task> tasks;
  mp::Queue<Result> results;

  std::vector<mp::Process> workers;
  for (int i = 0; i < kWorkers; ++i) workers.emplace_back(work, tasks, results).start();

  for (int i = 0; i < kTasks; i += 2) {
    tasks.put({i, Multiply{i, 7}});
    tasks.put({i + 1, Add{i, 8}});
  }
  for (int i = 0; i < kWorkers; ++i) tasks.put({-1, Stop{}});

  // They come in any order.
  std::map<int, std::string> sorted;
  for (int i = 0; i < kTasks; ++i) {
    const Result result = results.get();
    sorted[result.number] = result.text;
  }
  for (const auto& [number, text] : sorted) fmt::print("{}: {}\n", number, text);
  for (mp::Process& worker : workers) worker.join();
}
