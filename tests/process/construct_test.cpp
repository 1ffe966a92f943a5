// SPDX-License-Identifier: BSL-1.0
#include <deque>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

#include "process_test.hpp"

namespace mp = multiprocessing;
using namespace std::chrono_literals;

namespace {

using ProcessConstruction = mp::test::ProcessTest;
using ProcessConstructionByFork = ProcessConstruction;

int exit_code_of(mp::Process&& process) {
  process.start();
  process.join();
  return process.exitcode().value();
}

// A child that ends with that code shows that its check held.
void exit_if(bool holds) { mp::exit(holds ? 42 : 1); }

TEST_F(ProcessConstruction, RunsAFunctionWithItsArguments) {
  void (*const add)(int, int) = [](int a, int b) { exit_if(a + b == 5); };

  EXPECT_EQ(exit_code_of(mp::Process(add, 2, 3)), 42);
}

TEST_F(ProcessConstructionByFork, RunsALambdaWithCaptures) {
  const std::vector<int> numbers{1, 2, 3};

  EXPECT_EQ(exit_code_of(mp::Process([numbers] { exit_if(numbers.size() == 3); })), 42);
}

TEST_F(ProcessConstructionByFork, RunsAMemberFunctionOfACopyOfAnObject) {
  struct Counter {
    int n;
    void check(int expected) const { exit_if(n == expected); }
  };
  Counter counter{7};

  EXPECT_EQ(exit_code_of(mp::Process(&Counter::check, counter, 7)), 42);
  EXPECT_EQ(exit_code_of(mp::Process(&Counter::check, &counter, 7)), 42);
}

TEST_F(ProcessConstructionByFork, RunsAFunctionObjectThatCannotBeCopied) {
  auto value = std::make_unique<int>(9);

  mp::Process p([value = std::move(value)](
                    std::unique_ptr<int> other) { exit_if(*value == 9 && *other == 4); },
                std::make_unique<int>(4));

  EXPECT_EQ(exit_code_of(std::move(p)), 42);
}

TEST_F(ProcessConstruction, PassesArgumentsAsRvaluesOfDecayedCopies) {
  std::string text = "before";
  mp::Process p([](std::string&& mine) { exit_if(mine == "before"); }, text);
  text = "after";

  EXPECT_EQ(exit_code_of(std::move(p)), 42);
}

TEST_F(ProcessConstructionByFork, PassesAReferenceToTheChildsOwnThroughStdRef) {
  int number = 5;

  mp::Process p([&number](int& same) { exit_if(&same == &number); }, std::ref(number));

  EXPECT_EQ(exit_code_of(std::move(p)), 42);
}

TEST_F(ProcessConstruction, StringLiteralsArriveAsStrings) {
  EXPECT_EQ(exit_code_of(mp::Process(
                [](auto text) { exit_if(std::is_same_v<decltype(text), std::string>); }, "text")),
            42);
  EXPECT_EQ(exit_code_of(mp::Process([](const std::string& s) { exit_if(s == "text"); }, "text")),
            42);
  EXPECT_EQ(exit_code_of(mp::Process([](std::string_view s) { exit_if(s == "text"); }, "text")),
            42);
}

TEST_F(ProcessConstruction, StringLiteralsSuitAParameterThatIsAPointer) {
  mp::Process p([](const char* text, int n) { exit_if(std::string(text) == "text" && n == 1); },
                "text", 1);

  EXPECT_EQ(exit_code_of(std::move(p)), 42);
}

TEST_F(ProcessConstruction, IgnoresWhatTheTargetReturns) {
  EXPECT_EQ(exit_code_of(mp::Process([] { return 7; })), 0);
}

TEST_F(ProcessConstruction, TakesOptionsInBracesBeforeTheTarget) {
  const auto worker = [](int n) { exit_if(n == 3 && mp::current_process().name() == "writer"); };

  mp::Process p({.name = "writer", .daemon = true}, worker, 3);

  EXPECT_EQ(p.name(), "writer");
  EXPECT_TRUE(p.daemon());
  EXPECT_EQ(exit_code_of(std::move(p)), 42);
}

TEST_F(ProcessConstruction, TakesOptionsThatHaveAName) {
  mp::ProcessOptions options{.name = "writer"};
  const mp::ProcessOptions constant = options;

  EXPECT_EQ(mp::Process(options, [] {}).name(), "writer");
  EXPECT_EQ(mp::Process(constant, [] {}).name(), "writer");
  EXPECT_EQ(mp::Process(constant).name(), "writer");
}

TEST_F(ProcessConstruction, WithoutATargetDoesNothing) {
  EXPECT_EQ(exit_code_of(mp::Process()), 0);
}

TEST_F(ProcessConstruction, RunByHandCallsTheTargetHereAndOnlyOnce) {
  int calls = 0;
  mp::Process p([&calls] { ++calls; });

  p.run();

  EXPECT_EQ(calls, 1);
  EXPECT_THROW(p.run(), mp::AssertionError);
  EXPECT_THROW(p.start(), mp::AssertionError);
  EXPECT_EQ(calls, 1);
}

void run_again() {
  try {
    mp::current_process().run();
  } catch (const mp::AssertionError&) {
    mp::exit(7);
  }
}

TEST_F(ProcessConstruction, InTheChildTheTargetIsCalledOnceToo) {
  EXPECT_EQ(exit_code_of(mp::Process(run_again)), 7);
}

void check_names_in_a_child() {
  const mp::Process first([] {});
  const mp::Process named({.name = "named"}, [] {});
  const mp::Process third([] {});
  mp::Process fourth([] { exit_if(mp::Process([] {}).name() == "Process-1:4:1"); });
  const bool count_from_one =
      first.name() == "Process-1:1" && named.name() == "named" && third.name() == "Process-1:3";
  exit_if(count_from_one && exit_code_of(std::move(fourth)) == 42);
}

FRESH_SCENARIO(names) {
  mp::Process parent(check_names_in_a_child);
  const mp::Process second([] {});
  if (parent.name() != "Process-1" || second.name() != "Process-2") return 2;
  if (mp::current_process().name() != "MainProcess") return 3;
  return exit_code_of(std::move(parent));
}

TEST_F(ProcessConstruction, NamesCountConstructionsOfNamedOnesToo) {
  EXPECT_EQ(test::run_fresh("names"), 42);
}

TEST_F(ProcessConstruction, TheNameCanBeChanged) {
  mp::Process p([] { exit_if(mp::current_process().name() == "new"); });

  p.name("new");

  EXPECT_EQ(p.name(), "new");
  EXPECT_EQ(exit_code_of(std::move(p)), 42);
}

TEST_F(ProcessConstruction, TheDaemonFlagIsInheritedUnlessGiven) {
  const int code = mp::test::in_child([] {
    mp::current_process().daemon(true);
    const bool inherited = mp::Process([] {}).daemon();
    const bool overridden = !mp::Process({.daemon = false}, [] {}).daemon();
    return inherited && overridden;
  });

  EXPECT_EQ(code, 0);
  EXPECT_FALSE(mp::Process([] {}).daemon());
}

TEST_F(ProcessConstruction, TheDaemonFlagCanBeChangedUntilTheStart) {
  mp::Process p(mp::test::sleep_for_ever);
  p.daemon(true);
  EXPECT_TRUE(p.daemon());
  p.start();

  EXPECT_THROW(p.daemon(false), mp::AssertionError);
  p.kill();
  p.join();
  EXPECT_THROW(p.daemon(false), mp::AssertionError);
}

TEST_F(ProcessConstructionByFork, TheAuthkeyIsThirtyTwoRandomBytesAndInherited) {
  const auto own = mp::current_process().authkey();

  EXPECT_EQ(own.size(), 32U);
  EXPECT_NE(own, std::vector<std::byte>(32));
  EXPECT_EQ(mp::Process([] {}).authkey(), own);
  EXPECT_EQ(exit_code_of(mp::Process([own] { exit_if(mp::current_process().authkey() == own); })),
            42);
}

TEST_F(ProcessConstructionByFork, TheAuthkeyCanBeSet) {
  const std::vector<std::byte> key{std::byte{1}, std::byte{2}};
  mp::Process p([key] { exit_if(mp::current_process().authkey() == key); });
  mp::Process q([] {});

  p.authkey(key);
  q.authkey("secret");

  EXPECT_EQ(p.authkey(), key);
  EXPECT_EQ(q.authkey().size(), 6U);
  EXPECT_EQ(exit_code_of(std::move(p)), 42);
}

// ---- subclasses

class Consumer : public mp::Process {
 public:
  explicit Consumer(int n) : n_(n) {}
  void run() override { exit_if(n_ == 11 && name() == mp::current_process().name()); }

 private:
  int n_;
};

class NamedWorker : public mp::Process {
 public:
  NamedWorker() : Process({.name = "worker", .daemon = true}) {}
  void run() override { exit_if(true); }
};

using ProcessSubclass = mp::test::ProcessTest;
using ProcessSubclassByFork = ProcessSubclass;

TEST_F(ProcessSubclassByFork, RunsItsOwnRun) {
  Consumer p(11);
  p.start();
  EXPECT_TRUE(p.join());
  EXPECT_EQ(p.exitcode(), 42);
}

TEST_F(ProcessSubclassByFork, PassesOptionsToItsBase) {
  NamedWorker p;
  EXPECT_EQ(p.name(), "worker");
  EXPECT_TRUE(p.daemon());
  p.start();
  p.join();
  EXPECT_EQ(p.exitcode(), 42);
}

TEST_F(ProcessSubclassByFork, StaysTheSameProcessWhileAVectorGrows) {
  std::vector<Consumer> consumers;
  for (int i = 0; i < 9; ++i) consumers.emplace_back(11).start();

  for (const auto& p : consumers) EXPECT_TRUE(p.join());
  for (const auto& p : consumers) EXPECT_EQ(p.exitcode(), 42);
}

TEST_F(ProcessSubclassByFork, MovesBeforeTheStart) {
  Consumer p(11);
  const std::string name = p.name();

  Consumer moved(std::move(p));
  moved.start();
  moved.join();

  EXPECT_EQ(moved.name(), name);
  EXPECT_EQ(moved.exitcode(), 42);
}

TEST_F(ProcessSubclassByFork, ACopyIsAnotherProcessWithANumberOfItsOwn) {
  Consumer p(11);

  std::vector<Consumer> copies(3, p);
  for (auto& copy : copies) copy.start();
  for (const auto& copy : copies) copy.join();

  for (const auto& copy : copies) EXPECT_EQ(copy.exitcode(), 42);
  EXPECT_NE(copies[0].name(), copies[1].name());
  EXPECT_FALSE(copies[0] == copies[1]);
  EXPECT_FALSE(p.exitcode().has_value());
}

TEST_F(ProcessSubclass, ACopyKeepsAGivenName) {
  Consumer p(11);
  p.name("mine");

  const Consumer copy = p;

  EXPECT_EQ(copy.name(), "mine");
}

TEST_F(ProcessSubclassByFork, IsNotCopiedOnceStarted) {
  Consumer p(11);
  p.start();

  EXPECT_THROW(Consumer{p}, mp::AssertionError);
  p.join();
  EXPECT_THROW(Consumer{p}, mp::AssertionError);
}

TEST_F(ProcessSubclassByFork, MayHaveFieldsThatOnlyMove) {
  struct Owner : mp::Process {
    std::unique_ptr<int> value = std::make_unique<int>(3);
    void run() override { exit_if(*value == 3); }
  };
  std::vector<Owner> owners(3);
  for (auto& p : owners) p.start();
  owners.emplace_back().start();

  for (const auto& p : owners) p.join();
  for (const auto& p : owners) EXPECT_EQ(p.exitcode(), 42);
}

TEST_F(ProcessSubclass, TheBaseAloneIsNotCopied) {
  EXPECT_FALSE(std::is_copy_constructible_v<mp::Process>);
  EXPECT_TRUE(std::is_nothrow_move_constructible_v<mp::Process>);
  EXPECT_TRUE(std::is_copy_constructible_v<Consumer>);
  EXPECT_TRUE(std::is_nothrow_move_constructible_v<Consumer>);
}

TEST_F(ProcessSubclass, AHandleThatWasMovedAwayIsAValueError) {
  mp::Process p([] {});
  mp::Process q(std::move(p));

  EXPECT_THROW(p.start(), mp::ValueError);
  EXPECT_THROW(p.join(), mp::ValueError);
  EXPECT_THROW((void)p.name(), mp::ValueError);
  EXPECT_THROW((void)p.is_alive(), mp::ValueError);
  EXPECT_THROW(p.close(), mp::ValueError);
  p = mp::Process([] { exit_if(true); });
  EXPECT_EQ(exit_code_of(std::move(p)), 42);
}

}  // namespace
