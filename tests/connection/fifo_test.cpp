// SPDX-License-Identifier: BSL-1.0
// Named pipes: ends that come and go, and what can go wrong.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/fifo.hpp>
#include <string>
#include <thread>
#include <vector>

#include "child.hpp"
#include "connection_test.hpp"
#include "listener_test.hpp"
#include "python_peer.hpp"
#include "signal_storm.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using test::errno_of;

class FifoTest : public testing::Test {
 protected:
  test::Folder folder;
  Fifo fifo{folder / "fifo"};
  test::Watchdog watchdog{60s};
};

TEST_F(FifoTest, MakesANamedPipeForThisUserAloneUnlessThereIsOne) {
  struct stat file {};
  ASSERT_EQ(::stat(fifo.path().c_str(), &file), 0);
  EXPECT_TRUE(S_ISFIFO(file.st_mode));
  EXPECT_EQ(file.st_mode & 0077U, 0U);
  EXPECT_EQ(Fifo(fifo.path()), fifo);
  fifo.unlink();
  EXPECT_TRUE(folder.empty());
  EXPECT_EQ(errno_of([&] { fifo.unlink(); }), ENOENT);
  EXPECT_EQ(errno_of([&] { static_cast<void>(fifo.reader()); }), ENOENT);
  EXPECT_EQ(errno_of([&] { static_cast<void>(fifo.writer()); }), ENOENT);
}

TEST_F(FifoTest, WhatIsNoNamedPipeIsRefused) {
  const std::string path = folder / "file";
  std::ofstream(path) << "a plain file\n";
  EXPECT_EQ(errno_of([&] { Fifo other(path); }), EEXIST);
  EXPECT_EQ(errno_of([&] { Fifo other(folder / "none/fifo"); }), ENOENT);
  EXPECT_EQ(errno_of([&] { Fifo other(""); }), ENOENT);
  EXPECT_THROW(Fifo(std::string("a\0b", 3)), ValueError);
  fifo.unlink();
  std::filesystem::rename(path, fifo.path());
  EXPECT_EQ(errno_of([&] { static_cast<void>(fifo.reader()); }), EINVAL);
  EXPECT_EQ(errno_of([&] { static_cast<void>(fifo.writer()); }), EINVAL);
}

TEST_F(FifoTest, ReadsEverythingUntilTheLastWriterCloses) {
  FifoReader reader = fifo.reader();
  FifoWriter one = fifo.writer();
  FifoWriter other = fifo.writer();
  one.write("one ");
  one.close();
  other.write("other");
  EXPECT_THROW(static_cast<void>(reader.read(20ms)), TimeoutError);
  other.close();
  EXPECT_EQ(reader.read(), "one other") << "what came before the timeout is not lost";
  EXPECT_EQ(reader.read(), "") << "the end stays";
}

TEST_F(FifoTest, ReadsLineByLine) {
  FifoReader reader = fifo.reader();
  {
    FifoWriter writer = fifo.writer();
    writer.write("first\n\nthi");
    EXPECT_EQ(reader.readline(), "first\n");
    EXPECT_EQ(reader.readline(), "\n");
    EXPECT_THROW(static_cast<void>(reader.readline(10ms)), TimeoutError);
    writer.write("rd\nlast");
    EXPECT_EQ(reader.readline(), "third\n");
  }
  EXPECT_EQ(reader.readline(), "last");
  EXPECT_THROW(static_cast<void>(reader.readline()), EOFError);
  EXPECT_THROW(static_cast<void>(reader.readline(0s)), EOFError);
}

TEST_F(FifoTest, AReaderWaitsForTheFirstWriter) {
  FifoReader reader = fifo.reader();
  EXPECT_THROW(static_cast<void>(reader.read(20ms)), TimeoutError);
  EXPECT_THROW(static_cast<void>(reader.readline(0s)), TimeoutError);
  test::Child writer([&] { fifo.writer().write("here\n"); });
  EXPECT_EQ(reader.readline(), "here\n");
  EXPECT_EQ(writer.wait(), 0);
}

TEST_F(FifoTest, AWriterThatWritesNothingIsAnEndToo) {
  FifoReader reader = fifo.reader();
  fifo.writer().close();
  EXPECT_EQ(reader.read(), "");
}

TEST_F(FifoTest, ReopensForTheNextWriter) {
  FifoReader reader = fifo.reader();
  const int number = reader.fileno();
  for (const std::string text : {"one", "two", "three"}) {
    test::Child writer([&] { fifo.writer().write(text); });
    EXPECT_EQ(reader.read(), text);
    EXPECT_EQ(writer.wait(), 0);
    reader.reopen();
    EXPECT_THROW(static_cast<void>(reader.read(1ms)), TimeoutError);
  }
  EXPECT_EQ(reader.fileno(), number);
}

TEST_F(FifoTest, WhatANextWriterWroteBeforeTheReopeningIsNotLost) {
  FifoReader reader = fifo.reader();
  fifo.writer().write("first");
  EXPECT_EQ(reader.read(), "first");
  fifo.writer().write("second");
  reader.reopen();
  EXPECT_EQ(reader.read(), "second");
  fifo.unlink();
  EXPECT_EQ(errno_of([&] { reader.reopen(); }), ENOENT);
}

TEST_F(FifoTest, AWriterWaitsForAReader) {
  EXPECT_THROW(static_cast<void>(fifo.writer(0s)), TimeoutError);
  EXPECT_THROW(static_cast<void>(fifo.writer(20ms)), TimeoutError);
  auto waiting = std::async(std::launch::async, [&] { return fifo.writer(); });
  FifoReader reader = fifo.reader();
  waiting.get().write("found");
  EXPECT_EQ(reader.read(), "found");
}

TEST_F(FifoTest, WritingWhereNobodyReadsIsABrokenPipeAndNoSignal) {
  FifoWriter writer = [&] {
    FifoReader reader = fifo.reader();
    return fifo.writer();
  }();
  EXPECT_THROW(writer.write("x"), BrokenPipeError);
  EXPECT_NO_THROW(writer.write(""));
}

TEST_F(FifoTest, AKilledReaderIsABrokenPipeForAWriterThatWaits) {
  test::Child reader([&] {
    const FifoReader end = fifo.reader();
    for (;;) ::pause();
  });
  FifoWriter writer = fifo.writer();
  std::thread killer([&] {
    EXPECT_THROW(writer.write(std::string(1'000'000, 'x'), 20ms), TimeoutError);
    reader.kill();
  });
  killer.join();
  EXPECT_THROW(writer.write(std::string(1'000'000, 'x')), BrokenPipeError);
}

TEST_F(FifoTest, AKilledWriterIsTheEndAndWhatItWroteIsRead) {
  FifoReader reader = fifo.reader();
  test::Child writer([&] {
    FifoWriter end = fifo.writer();
    end.write("half a li");
    ::kill(::getpid(), SIGKILL);
  });
  EXPECT_EQ(reader.readline(), "half a li");
  EXPECT_THROW(static_cast<void>(reader.readline()), EOFError);
  EXPECT_EQ(writer.wait(), -SIGKILL);
}

TEST_F(FifoTest, ATimeoutWhileWritingSaysHowMuchHasGone) {
  FifoReader reader = fifo.reader();
  FifoWriter writer = fifo.writer();
  const std::string text(100'000, 'x');
  try {
    writer.write(text, 10ms);
    FAIL();
  } catch (const TimeoutError& error) {
    EXPECT_NE(std::string(error.what()).find("65536 of 100000 bytes"), std::string::npos)
        << error.what();
  }
}

TEST_F(FifoTest, LinesOfManyWritersComeWhole) {
  constexpr int kWriters = 4;
  constexpr int kLines = 500;
  FifoReader reader = fifo.reader();
  std::vector<test::Child> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] {
      FifoWriter writer = fifo.writer();
      const std::string line(1000, static_cast<char>('a' + i));
      for (int n = 0; n < kLines; ++n) writer.write(line + "\n");
    });
  }
  std::map<std::string, int> seen;
  for (int i = 0; i < kWriters * kLines; ++i) {
    try {
      ++seen[reader.readline()];
    } catch (const EOFError&) {  // those that came first have ended before the others came
      --i;
      reader.reopen();
    }
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kWriters));
  for (const auto& [line, count] : seen) EXPECT_EQ(count, kLines) << line.size();
  for (test::Child& writer : writers) EXPECT_EQ(writer.wait(), 0);
}

TEST_F(FifoTest, SignalsDisturbNothing) {
  FifoReader reader = fifo.reader();
  const std::string text(3'000'000, 'x');
  auto writing = std::async(std::launch::async, [&] {
    const test::SignalStorm storm;
    fifo.writer().write(text);
  });
  const test::SignalStorm storm;
  EXPECT_EQ(reader.read(), text);
  writing.get();
  EXPECT_THROW(static_cast<void>(fifo.reader().read(50ms)), TimeoutError);
}

TEST_F(FifoTest, CloseEndsAReadInAnotherThreadAndUseOfAClosedEndIsEbadf) {
  FifoReader reader = fifo.reader();
  FifoReader copy = reader;
  auto reading = std::async(std::launch::async, [&] { return reader.read(); });
  EXPECT_EQ(reading.wait_for(10ms), std::future_status::timeout);
  copy.close();
  EXPECT_EQ(errno_of([&] { reading.get(); }), EBADF);
  EXPECT_TRUE(reader.closed());
  EXPECT_EQ(errno_of([&] { static_cast<void>(reader.readline()); }), EBADF);
  EXPECT_EQ(errno_of([&] { reader.reopen(); }), EBADF);
  EXPECT_EQ(errno_of([&] { static_cast<void>(reader.fileno()); }), EBADF);
  FifoReader again = fifo.reader();
  FifoWriter writer = fifo.writer();
  writer.close();
  EXPECT_EQ(errno_of([&] { writer.write("x"); }), EBADF);
}

TEST_F(FifoTest, EndsAreClosedOnExecAndLeakNoDescriptors) {
  static_cast<void>(fifo.reader());  // what closing needs is opened once for the whole process
  const std::size_t before = test::open_descriptors();
  {
    FifoReader reader = fifo.reader();
    FifoWriter writer = fifo.writer();
    reader.reopen();
    EXPECT_EQ(::fcntl(reader.fileno(), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(::fcntl(writer.fileno(), F_GETFD), FD_CLOEXEC);
  }
  EXPECT_EQ(test::open_descriptors(), before);
}

TEST_F(FifoTest, IsAMessageAndItsReaderCanBeWaitedFor) {
  auto [a, b] = Pipe();
  a.send(fifo);
  const Fifo arrived = b.recv<Fifo>();
  EXPECT_EQ(arrived, fifo);
  FifoReader reader = arrived.reader();
  EXPECT_TRUE(connection::wait({reader.fileno()}, 0s).empty());
  FifoWriter writer = fifo.writer();
  writer.write("x");
  EXPECT_EQ(connection::wait({reader.fileno()}, 5s).size(), 1U);
}

TEST_F(FifoTest, PythonWritesAndReads) {
  test::PythonPeer peer(CONNECTION_TESTS_FOLDER "/python_fifo.py", {fifo.path()});
  FifoReader reader = fifo.reader();
  EXPECT_EQ(reader.readline(), "from Python\n");
  EXPECT_EQ(reader.read(), "and more");
  // Only Python is to be found reading, which it begins when there is a writer.
  reader.close();
  fifo.writer().write("to Python\n");
  EXPECT_EQ(peer.receive(), "to Python\n");
  EXPECT_EQ(peer.finish(), 0);
}

}  // namespace
}  // namespace multiprocessing
