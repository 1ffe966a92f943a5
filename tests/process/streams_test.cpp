// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <multiprocessing/pool.hpp>
#include <sstream>
#include <thread>
#include <vector>

#include "process_test.hpp"

namespace mp = multiprocessing;
using namespace std::chrono_literals;
using mp::test::capture;
using mp::test::in_child;

namespace {

using ProcessStreams = mp::test::ProcessTest;
using ProcessStreamsByFork = ProcessStreams;

template <class F> int code_of(F target) {
  mp::Process p(target);
  p.start();
  p.join();
  return p.exitcode().value();
}

// Each number from 0 on, once.
void expect_lines_in_order(const std::string& output) {
  std::istringstream lines(output);
  int expected = 0;
  for (int line = 0; lines >> line; ++expected) ASSERT_EQ(line, expected);
  EXPECT_GT(expected, 0);
}

TEST_F(ProcessStreams, WhatTheParentPrintedIsPrintedOnce) {
  const auto [code, output] = capture([] {
    std::printf("stdio ");
    std::cout << "cout ";
    mp::Process p([] {});
    p.start();
    p.join();
    std::cout << "end" << std::flush;
    return 0;
  });

  EXPECT_EQ(output, "stdio cout end");
}

TEST_F(ProcessStreams, WhatTheChildPrintedIsPrintedAtItsEnd) {
  const auto [code, output] = capture([] {
    mp::Process p([] {
      std::printf("stdio ");
      std::cout << "cout ";
      std::clog << "clog ";
    });
    p.start();
    p.join();
    return 0;
  });

  EXPECT_THAT(output, testing::AllOf(testing::HasSubstr("stdio "), testing::HasSubstr("cout "),
                                     testing::HasSubstr("clog ")));
}

TEST_F(ProcessStreams, WithoutSyncWithStdioTheSame) {
  const auto [code, output] = capture([] {
    std::ios::sync_with_stdio(false);
    std::cout << "parent ";
    mp::Process p([] { std::cout << "child "; });
    p.start();
    p.join();
    std::cout << "end" << std::flush;
    return 0;
  });

  EXPECT_EQ(output, "parent child end");
}

TEST_F(ProcessStreamsByFork, FilesOfStdioAreFlushedToo) {
  const std::string name = "/tmp/process_streams." + std::to_string(::getpid());
  in_child([&] {
    FILE* file = std::fopen(name.c_str(), "w");
    std::fputs("parent ", file);
    code_of([&] { std::fputs("child ", file); });
    std::fputs("end", file);
    std::fclose(file);
  });

  std::ostringstream text;
  text << std::ifstream(name).rdbuf();
  EXPECT_EQ(text.str(), "parent child end");
  ::unlink(name.c_str());
}

TEST_F(ProcessStreams, WhatAnotherThreadPrintsMeanwhileIsPrintedOnce) {
  const auto [code, output] = capture([] {
    std::atomic<bool> enough{false};
    std::thread printer([&] {
      for (int line = 0; !enough; ++line) std::printf("%d\n", line);
    });
    for (int i = 0; i < 50; ++i) {
      mp::Process p([] {});
      p.start();
      p.join();
    }
    enough = true;
    printer.join();
    std::fflush(stdout);
    return 0;
  });

  expect_lines_in_order(output);
}

TEST_F(ProcessStreams, WhatAnotherThreadPrintsToAnUnsyncedCoutIsPrintedOnce) {
  const auto [code, output] = capture([] {
    std::ios::sync_with_stdio(false);
    const mp::Pool pool(mp::PoolOptions{.processes = 1, .maxtasksperchild = 1});
    // Each item needs a new worker, which the pool starts while this thread prints.
    const auto result = pool.map_async([](int x) { return x; }, std::vector<int>(50), 1);
    for (int line = 0; !result.ready(); ++line) std::cout << line << '\n';
    result.wait();
    std::cout << std::flush;
    return 0;
  });

  expect_lines_in_order(output);
}

TEST_F(ProcessStreams, WhatWorkersPrintToAnUnsyncedCoutIsPrinted) {
  const auto [code, output] = capture([] {
    std::ios::sync_with_stdio(false);
    const mp::Pool pool(mp::PoolOptions{.processes = 1, .maxtasksperchild = 1});
    for (int i = 0; i < 3; ++i) pool.apply([](int x) { std::cout << x << '\n'; }, i);
    pool.close();
    pool.join();
    return 0;
  });

  EXPECT_EQ(output, "0\n1\n2\n");
}

TEST_F(ProcessStreams, AThreadBlockedInAReadDoesNotBlockTheStart) {
  EXPECT_EQ(in_child([]() -> int {
              int ends[2];
              if (::pipe(ends) != 0) return 1;
              FILE* reader = ::fdopen(ends[0], "r");
              std::thread([reader] { std::fgetc(reader); }).detach();
              std::this_thread::sleep_for(20ms);
              // Past the helper's own flush of everything.
              ::_exit(code_of([] { mp::exit(42); }));
            }),
            42);
}

TEST_F(ProcessStreams, ClosedStandardStreamsDoNotMatter) {
  EXPECT_EQ(in_child([] {
              for (int fd = 0; fd < 3; ++fd) ::close(fd);
              std::printf("lost");
              std::cout.exceptions(std::ios::badbit);
              return code_of([] {
                std::printf("lost");
                mp::exit(42);
              });
            }),
            42);
}

TEST_F(ProcessStreams, AChildThatBrokeItsStreamsEndsWithItsCode) {
  EXPECT_EQ(in_child([] {
              return code_of([] {
                std::printf("lost");
                std::cout << "lost";
                for (int fd = 0; fd < 3; ++fd) ::close(fd);
                mp::exit(42);
              });
            }),
            42);
}

TEST_F(ProcessStreams, TheChildsStandardInputIsEmpty) {
  EXPECT_EQ(in_child([] {
              int ends[2];
              if (::pipe(ends) != 0 || ::write(ends[1], "ab", 2) != 2) return 1;
              ::dup2(ends[0], STDIN_FILENO);
              if (std::getchar() != 'a') return 2;  // reads "b" ahead
              const int code = code_of([] { mp::exit(std::getchar() == EOF ? 42 : 3); });
              return std::getchar() == 'b' ? code : 4;
            }),
            42);
}

TEST_F(ProcessStreams, WhatCinReadAheadIsNotTheChilds) {
  EXPECT_EQ(in_child([] {
              std::ios::sync_with_stdio(false);
              int ends[2];
              if (::pipe(ends) != 0 || ::write(ends[1], "a b ", 4) != 4) return 1;
              ::close(ends[1]);
              ::dup2(ends[0], STDIN_FILENO);
              std::string word;
              std::cin >> word;
              const int code = code_of([] {
                std::string mine;
                mp::exit(std::cin >> mine ? 3 : 42);
              });
              std::cin >> word;
              return word == "b" ? code : 4;
            }),
            42);
}

TEST_F(ProcessStreamsByFork, ACinOfTheProgramsOwnStays) {
  EXPECT_EQ(in_child([] {
              std::istringstream text("word");
              std::cin.rdbuf(text.rdbuf());
              return code_of([] {
                std::string word;
                std::cin >> word;
                mp::exit(word == "word" ? 42 : 1);
              });
            }),
            42);
}

TEST_F(ProcessStreams, StandardInputWorksWhereTheParentHasNone) {
  EXPECT_EQ(in_child([] {
              ::close(STDIN_FILENO);
              return code_of([] {
                const int flags = ::fcntl(STDIN_FILENO, F_GETFD);
                char byte = 0;
                mp::exit(flags == 0 && ::read(STDIN_FILENO, &byte, 1) == 0 ? 42 : 1);
              });
            }),
            42);
}

}  // namespace
