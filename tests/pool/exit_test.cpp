// SPDX-License-Identifier: BSL-1.0
// Programs that end while calls of a pool are under way, and with which exit code.
#include <cstdlib>
#include <multiprocessing/futures.hpp>
#include <multiprocessing/synchronize.hpp>

#include "fresh_program.hpp"
#include "pool_test.hpp"

namespace multiprocessing::test {
namespace {

using ::test::run_fresh;

class PoolExitTest : public PoolTest {};

int wait_and_return(Event event, int x) {
  event.wait();
  return x;
}
int return_slowly(int x) {
  std::this_thread::sleep_for(2ms);
  return x;
}

// A call whose callback ends the program, and others behind it.
Future<int> exit_in_a_callback_of(const ProcessPoolExecutor& executor) {
  const Event go;
  const auto first = executor.submit(wait_and_return, go, 1);
  Future<int> last;
  for (int i = 0; i < 20; ++i) last = executor.submit(return_slowly, i);
  first.add_done_callback([](const Future<int>&) { std::exit(3); });
  Event(go).set();
  return last;
}
FRESH_SCENARIO(exit_in_callback) {
  const ProcessPoolExecutor executor(1);
  exit_in_a_callback_of(executor);
  wait_for_ever();
}
FRESH_SCENARIO(exit_in_callback_while_main_collects) {
  const ProcessPoolExecutor executor(1);
  exit_in_a_callback_of(executor).result();
  wait_for_ever();
}
TEST_F(PoolExitTest, ACallbackOfAFutureMayEndTheProgramWhileOtherCallsRun) {
  EXPECT_EQ(run_fresh("exit_in_callback"), 3);
  EXPECT_EQ(run_fresh("exit_in_callback_while_main_collects"), 3);
}

// Ends the program that reads it, which is not the one that wrote it.
struct Last {
  pid_t writer = ::getpid();
  template <class Archive> void serialize(Archive& ar, unsigned) {
    ar& writer;
    if (Archive::is_loading::value && writer != ::getpid()) std::exit(4);
  }
};
FRESH_SCENARIO(exit_in_result) {
  const ProcessPoolExecutor executor(1);
  const Event go;
  const auto last = executor.submit(
      [](Event event) {
        event.wait();
        return Last();
      },
      go);
  for (int i = 0; i < 20; ++i) executor.submit(return_slowly, i);
  Event(go).set();
  last.result();
  return 1;
}
TEST_F(PoolExitTest, AResultMayEndTheProgramThatReadsItWhileOtherCallsRun) {
  EXPECT_EQ(run_fresh("exit_in_result"), 4);
}

}  // namespace
}  // namespace multiprocessing::test
