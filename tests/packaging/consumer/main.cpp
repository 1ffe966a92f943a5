// SPDX-License-Identifier: BSL-1.0
// A user's program: it compiles and links with nothing but what the package brings along.
#include <fmt/format.h>

#include <multiprocessing/multiprocessing.hpp>
#include <numeric>
#include <string>
#include <vector>

namespace mp = multiprocessing;

// What a child in a fresh image finds only if statics are made there before its target runs.
const std::string kMadeBeforeMain = std::string("made ") + "before main";

void sum(mp::Queue<std::vector<int>> questions, mp::Queue<int> answers) {
  const std::vector<int> numbers = questions.get();
  answers.put(std::accumulate(numbers.begin(), numbers.end(), 0));
}

// Two of one body: a linker may make one of them.
void put_length(mp::Queue<int> to, const std::string& text) {
  to.put(static_cast<int>(text.size() + kMadeBeforeMain.size()));
}
void put_size(mp::Queue<int> to, const std::string& text) {
  to.put(static_cast<int>(text.size() + kMadeBeforeMain.size()));
}

struct Doubler : mp::ProcessOf<Doubler> {
  Doubler() = default;
  Doubler(mp::Queue<int> to, int number) : to_(std::move(to)), number_(number) {}
  void run() override { to_.put(2 * number_); }
  template <class Archive> void serialize(Archive& archive, unsigned) { archive& to_& number_; }

 private:
  mp::Queue<int> to_;
  int number_ = 0;
};

// Whether the process puts that answer and ends in order.
bool gives(mp::Process&& process, mp::Queue<int>& answers, int expected) {
  process.start();
  const int answer = answers.get();
  process.join();
  fmt::print("  {} ended with {}, its answer is {}\n", process.name(), process.exitcode().value(),
             answer);
  return process.exitcode() == 0 && answer == expected;
}

bool all_run_by(const char* method) {
  fmt::print("{}:\n", method);
  const mp::Context context = mp::get_context(method);
  auto questions = context.Queue<std::vector<int>>();
  auto answers = context.Queue<int>();
  questions.put({1, 2, 3});
  const auto next = [](mp::Queue<int> to, int n) { to.put(n + 1); };
  const auto previous = [](mp::Queue<int> to, int n) { to.put(n - 1); };
  return gives(context.Process(sum, questions, answers), answers, 6) &&
         gives(context.Process(put_length, answers, "four"), answers, 20) &&
         gives(context.Process(put_size, answers, "three"), answers, 21) &&
         gives(context.Process(next, answers, 6), answers, 7) &&
         gives(context.Process(previous, answers, 6), answers, 5) &&
         gives(context.Process(mp::partial(next, answers), 8), answers, 9) &&
         gives(context.Process(Doubler(answers, 21)), answers, 42);
}

int main() {
  for (const char* method : {"fork", "spawn", "forkserver"}) {
    if (!all_run_by(method)) return 1;
  }
}
