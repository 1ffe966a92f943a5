// SPDX-License-Identifier: BSL-1.0
// Programs that end while calls of a pool are under way, and with which exit code.
#include <cstdlib>
#include <multiprocessing/futures.hpp>
#include <multiprocessing/signals.hpp>
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
Future<int> exit_in_a_callback_of(const ProcessPoolExecutor& executor,
                                  void (*leave)(int) = std::exit) {
  const Event go;
  const auto first = executor.submit(wait_and_return, go, 1);
  Future<int> last;
  for (int i = 0; i < 20; ++i) last = executor.submit(return_slowly, i);
  first.add_done_callback([leave](const Future<int>&) { leave(3); });
  Event(go).set();
  return last;
}
FRESH_SCENARIO(exit_in_callback) {
  const ProcessPoolExecutor executor(1);
  exit_in_a_callback_of(executor);
  wait_for_ever();
}
FRESH_SCENARIO(library_exit_in_callback) {
  const ProcessPoolExecutor executor(1);
  exit_in_a_callback_of(executor, multiprocessing::exit).result();
  wait_for_ever();
}
FRESH_SCENARIO(library_exit_in_callback_of_threads) {
  const ThreadPool pool(1);
  pool.apply_async(return_slowly, 1).then([](int) { multiprocessing::exit(3); }, nullptr);
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
  EXPECT_EQ(run_fresh("library_exit_in_callback"), 3);
  EXPECT_EQ(run_fresh("library_exit_in_callback_of_threads"), 3);
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

// From here on SIGTERM ends the program in order, with a code of its own; and not at once, for it
// has a child to wait for.
void exit_on_sigterm() {
  static Process child([] { std::this_thread::sleep_for(50ms); });
  child.start();
  signals::handle(SIGTERM, [] { multiprocessing::exit(7); });
}
int terminate_at_ten(pid_t program, int x) {
  if (x == 10) ::kill(program, SIGTERM);
  return x;
}
int terminate_and_wait(pid_t program, int /*item*/) {
  ::kill(program, SIGTERM);
  wait_for_ever();
}

FRESH_SCENARIO(sigterm_in_map) {
  exit_on_sigterm();
  const Pool pool(2);
  pool.map(partial(terminate_and_wait, ::getpid()), numbers(1, 1000));
  return 1;
}
FRESH_SCENARIO(sigterm_in_imap) {
  exit_on_sigterm();
  const Pool pool(2);
  for (const int x : pool.imap(partial(terminate_and_wait, ::getpid()), numbers(1, 9))) return x;
  return 1;
}
FRESH_SCENARIO(sigterm_in_a_thread_that_waits) {
  exit_on_sigterm();
  const Pool pool(2);
  std::thread([&] { pool.apply(terminate_and_wait, ::getpid(), 1); }).detach();
  wait_for_ever();
}
FRESH_SCENARIO(sigterm_among_calls) {
  exit_on_sigterm();
  const Pool pool(1);
  for (int i = 0;; ++i) pool.apply(terminate_at_ten, ::getpid(), i);
}
FRESH_SCENARIO(sigterm_while_items_are_handed_out) {
  exit_on_sigterm();
  const Pool pool(1);
  pool.map(partial(terminate_at_ten, ::getpid()), numbers(0, 2'000'000), {.chunksize = 1});
  return 1;
}
FRESH_SCENARIO(sigterm_while_an_executor_is_given_calls) {
  exit_on_sigterm();
  const ProcessPoolExecutor executor(1);
  for (int i = 0;; ++i) executor.submit(terminate_at_ten, ::getpid(), i).result();
}

class PoolSignalExitTest : public PoolTest, public testing::WithParamInterface<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, PoolSignalExitTest,
                         testing::Values("sigterm_in_map", "sigterm_in_imap",
                                         "sigterm_in_a_thread_that_waits", "sigterm_among_calls",
                                         "sigterm_while_items_are_handed_out",
                                         "sigterm_while_an_executor_is_given_calls"),
                         start_method_name);

TEST_P(PoolSignalExitTest, ASignalsFunctionMayEndTheProgramWhileOthersUseAPool) {
  EXPECT_EQ(run_fresh(GetParam()), 7);
}

}  // namespace
}  // namespace multiprocessing::test
