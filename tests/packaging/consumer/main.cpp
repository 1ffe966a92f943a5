// SPDX-License-Identifier: BSL-1.0
// A user's program: it compiles and links with nothing but what the package brings along.
#include <fmt/format.h>

#include <multiprocessing/multiprocessing.hpp>
#include <numeric>
#include <vector>

namespace mp = multiprocessing;

void sum(mp::Queue<std::vector<int>> questions, mp::Queue<int> answers) {
  const std::vector<int> numbers = questions.get();
  answers.put(std::accumulate(numbers.begin(), numbers.end(), 0));
}

// A lambda in the program, a function in the program: both are found again in a fresh image.
int answer_by(const char* method) {
  const mp::Context context = mp::get_context(method);
  auto questions = context.Queue<std::vector<int>>();
  auto answers = context.Queue<int>();
  mp::Process process = context.Process(sum, questions, answers);
  process.start();
  questions.put({1, 2, 3});
  const int answer = answers.get();
  process.join();
  mp::Process lambda = context.Process([](mp::Queue<int> to, int n) { to.put(n + 1); }, answers, 6);
  lambda.start();
  lambda.join();

  fmt::print("{}: {} ended with {}, its answer is {}\n", method, process.name(),
             process.exitcode().value(), answer);
  return process.exitcode() == 0 && answers.get() == 7 ? answer : -1;
}

int main() {
  for (const char* method : {"fork", "spawn", "forkserver"}) {
    if (answer_by(method) != 6) return 1;
  }
}
