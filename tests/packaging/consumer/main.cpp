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

int main() {
  mp::Queue<std::vector<int>> questions;
  mp::Queue<int> answers;
  mp::Process process(sum, questions, answers);
  process.start();
  questions.put({1, 2, 3});
  const int answer = answers.get();
  process.join();

  fmt::print("{} ended with {}, its answer is {}\n", process.name(), process.exitcode().value(),
             answer);
  return process.exitcode() == 0 && answer == 6 ? 0 : 1;
}
