// SPDX-License-Identifier: BSL-1.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <multiprocessing/errors.hpp>
#include <type_traits>

namespace mp = multiprocessing;
using testing::HasSubstr;

namespace {

template <class T> class EveryErrorTest : public testing::Test {};

using EveryError =
    testing::Types<mp::Error, mp::ProcessError, mp::BufferTooShort, mp::AuthenticationError,
                   mp::TimeoutError, mp::Empty, mp::Full, mp::EOFError, mp::BrokenPipeError,
                   mp::ValueError, mp::TypeError, mp::KeyError, mp::IndexError, mp::AttributeError,
                   mp::AssertionError, mp::RuntimeError, mp::NotImplementedError, mp::MemoryError,
                   mp::BrokenBarrierError, mp::OwnerDiedError, mp::RemoteError,
                   mp::BrokenProcessPool, mp::WorkerLost, mp::InvalidStateError,
                   mp::CancelledError>;
TYPED_TEST_SUITE(EveryErrorTest, EveryError);

TYPED_TEST(EveryErrorTest, IsAnErrorThatCopiesWithoutThrowing) {
  EXPECT_TRUE((std::is_base_of_v<mp::Error, TypeParam>));
  EXPECT_TRUE((std::is_base_of_v<std::runtime_error, TypeParam>));
  EXPECT_TRUE(std::is_nothrow_copy_constructible_v<TypeParam>);
  EXPECT_TRUE(std::is_nothrow_copy_assignable_v<TypeParam>);
}

TEST(ErrorsTest, ProcessErrorIsTheBaseOfPythonsOwnThree) {
  EXPECT_TRUE((std::is_base_of_v<mp::ProcessError, mp::BufferTooShort>));
  EXPECT_TRUE((std::is_base_of_v<mp::ProcessError, mp::AuthenticationError>));
  EXPECT_TRUE((std::is_base_of_v<mp::ProcessError, mp::TimeoutError>));
  EXPECT_FALSE((std::is_base_of_v<mp::ProcessError, mp::Empty>));
}

TEST(ErrorsTest, BufferTooShortCarriesTheMessage) {
  const std::vector<std::byte> message(3, std::byte{7});

  const mp::BufferTooShort error(message);
  const mp::BufferTooShort copy = error;

  EXPECT_EQ(copy.message(), message);
  EXPECT_THAT(copy.what(), HasSubstr("3 bytes"));
}

TEST(ErrorsTest, OwnerDiedErrorNamesWhoDiedAndWhatToDo) {
  const mp::OwnerDiedError error(41, "Process-3", 0, "RLock");

  EXPECT_EQ(error.pid(), 41);
  EXPECT_EQ(error.name(), "Process-3");
  EXPECT_EQ(error.lost(), 0U);
  EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("RLock"), HasSubstr("41"),
                                           HasSubstr("Process-3"), HasSubstr("make_consistent")));
}

TEST(ErrorsTest, OwnerDiedErrorOfAQueueSaysHowManyItemsWereLost) {
  const mp::OwnerDiedError error(41, "Process-3", 2);

  EXPECT_EQ(error.lost(), 2U);
  EXPECT_THAT(error.what(), HasSubstr("2 items"));
}

TEST(ErrorsTest, OwnerDiedErrorTakesATextOfTheThrowersOwn) {
  const mp::OwnerDiedError error("gone: Process-3, pid 41", 41, "Process-3");

  EXPECT_STREQ(error.what(), "gone: Process-3, pid 41");
}

TEST(ErrorsTest, RemoteErrorKeepsTypeTextAndOrigin) {
  const mp::RemoteError error("std::out_of_range", "no such row", "Worker-1", 99);

  EXPECT_EQ(error.type_name(), "std::out_of_range");
  EXPECT_EQ(error.message(), "no such row");
  EXPECT_EQ(error.process(), "Worker-1");
  EXPECT_EQ(error.pid(), 99);
  EXPECT_STREQ(error.what(), "std::out_of_range: no such row (raised in process Worker-1, pid 99)");
}

TEST(ErrorsTest, WorkerLostSaysHowTheWorkerEndedAndAtWhichTask) {
  const mp::WorkerLost killed(7, -SIGKILL, "crunch #12");
  const mp::WorkerLost left(8, 3, "crunch #13");

  EXPECT_EQ(killed.exitcode(), -SIGKILL);
  EXPECT_EQ(killed.task(), "crunch #12");
  EXPECT_STREQ(killed.what(),
               "worker (pid 7) ended of signal 9 (SIGKILL) while it ran the task crunch #12");
  EXPECT_STREQ(left.what(),
               "worker (pid 8) ended with exit code 3 while it ran the task crunch #13");
  EXPECT_TRUE((std::is_base_of_v<mp::BrokenProcessPool, mp::WorkerLost>));
}

TEST(ErrorsTest, WorkerLostNamesEverySignalByNumberAtLeast) {
  EXPECT_THAT(mp::WorkerLost(7, -60, "t").what(), HasSubstr("signal 60"));
}

}  // namespace
