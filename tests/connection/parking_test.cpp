// SPDX-License-Identifier: BSL-1.0
// Descriptors in messages that lie in shared memory.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <multiprocessing/connection.hpp>
#include <vector>

#include "child.hpp"
#include "connection/parking.hpp"
#include "connection_test.hpp"
#include "long_form.hpp"
#include "memory/arena.hpp"
#include "memory/layout.hpp"
#include "random_killer.hpp"
#include "step_killer.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using connection::park;
using connection::Unparked;
using memory::Handle;
using test::errno_of;

class Parking : public testing::Test {
 protected:
  Parking() : pipe(Pipe(false)) {}

  // Whether anybody still holds the writing end.
  [[nodiscard]] bool writer_is_open() const { return !pipe.first.poll(); }

  std::pair<Connection, Connection> pipe;
  Connection& reader = pipe.first;
  Connection& writer = pipe.second;
  test::Watchdog watchdog{std::chrono::seconds(test::rounds(60, 1200))};
};

TEST_F(Parking, KeepsADescriptorOpenUntilTheLastHandleIsGone) {
  std::vector<Handle> parked = park(std::vector{writer.fileno()});
  writer.close();
  EXPECT_TRUE(writer_is_open());

  parked.clear();

  EXPECT_FALSE(writer_is_open());
}

TEST_F(Parking, GivesACopyAsOftenAsItIsAsked) {
  const std::vector<Handle> parked = park(std::vector{writer.fileno()});
  for (int i = 0; i < 3; ++i) {
    Unparked unparked(parked);
    ASSERT_EQ(unparked.descriptors().size(), 1U);
    EXPECT_GE(unparked.descriptors()[0], 0);
    EXPECT_NE(::fcntl(unparked.descriptors()[0], F_GETFD) & FD_CLOEXEC, 0);
  }
}

TEST_F(Parking, WhatIsTakenIsTheTakersAndTheRestIsClosed) {
  auto [other_reader, other_writer] = Pipe(false);
  std::vector<Handle> parked = park(std::vector{writer.fileno(), other_writer.fileno()});
  writer.close();
  other_writer.close();
  int taken = -1;
  {
    Unparked unparked(parked);
    taken = std::exchange(unparked.descriptors()[0], -1);
  }
  parked.clear();
  EXPECT_TRUE(writer_is_open());
  EXPECT_TRUE(other_reader.poll());
  ::close(taken);
  EXPECT_FALSE(writer_is_open());
}

TEST_F(Parking, ServesAProcessThatWasForkedBefore) {
  auto [in, out] = Pipe(false);
  test::Child child([&, &in_ = in] {
    writer.close();
    const auto offset = in_.recv<memory::Offset>();
    const Handle parked = memory::adopt(offset);
    Unparked unparked(std::span(&parked, 1));
    const char byte = 1;
    return ::write(unparked.descriptors()[0], &byte, 1) == 1;
  });
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::vector<Handle> parked = park(std::vector{ends[1]});
  out.send(memory::offset_of(parked[0].get()));
  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), 1);
  EXPECT_EQ(child.wait(), 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(Parking, ReleasesWhatWasParkedInAnyOrder) {
  std::vector<std::pair<Connection, Connection>> pipes;
  std::vector<std::vector<Handle>> parked;
  for (int i = 0; i < 50; ++i) {
    pipes.push_back(Pipe(false));
    parked.push_back(park(std::vector{pipes.back().second.fileno()}));
    pipes.back().second.close();
  }
  for (std::size_t n = 0; n < 50; ++n) {
    const std::size_t i = n * 17 % 50;
    EXPECT_FALSE(pipes[i].first.poll());
    parked[i].clear();
    EXPECT_TRUE(pipes[i].first.poll());
  }
}

TEST_F(Parking, TakesMoreDescriptorsThanRideOnOnePacket) {
  std::vector<int> many;
  for (int i = 0; i < 600; ++i) many.push_back(::eventfd(static_cast<unsigned>(i), EFD_CLOEXEC));
  const std::vector<Handle> parked = park(many);
  Unparked unparked(parked);
  ASSERT_EQ(unparked.descriptors().size(), many.size());
  for (std::size_t i = 0; i < many.size(); ++i) {
    std::uint64_t value = 0;
    if (i != 0) {
      EXPECT_EQ(::read(unparked.descriptors()[i], &value, sizeof value), 8);
    }
    EXPECT_EQ(value, i);
    ::close(many[i]);
  }
}

TEST_F(Parking, WithoutRoomInTheProcessNothingIsLost) {
  const std::vector<Handle> parked = park(std::vector{writer.fileno(), writer.fileno()});
  const std::size_t open = test::open_descriptors();
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{0, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  const int error = errno_of([&] { Unparked unparked(parked); });
  ::setrlimit(RLIMIT_NOFILE, &before);

  EXPECT_EQ(error, EMFILE);
  EXPECT_EQ(test::open_descriptors(), open);
  EXPECT_EQ(Unparked(parked).descriptors().size(), 2U);
}

TEST_F(Parking, WhatCouldNotBeRemovedForLackOfRoomIsRemovedLater) {
  std::vector<Handle> first = park(std::vector{reader.fileno()});
  std::vector<Handle> second = park(std::vector{writer.fileno()});
  writer.close();
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{0, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  second.clear();  // the first one is in front of it and cannot be moved
  ::setrlimit(RLIMIT_NOFILE, &before);

  EXPECT_EQ(Unparked(first).descriptors().size(), 1U);
  EXPECT_FALSE(writer_is_open());
}

TEST_F(Parking, WhatCouldNotBeRemovedForLackOfRoomIsRemovedByWhoWaitsForItsEnd) {
  std::vector<Handle> first = park(std::vector{reader.fileno()});
  std::vector<Handle> second = park(std::vector{writer.fileno()});
  writer.close();
  {
    const test::NoFreeDescriptor none;
    second.clear();  // the first one is in front of it and cannot be moved
  }

  EXPECT_TRUE(reader.poll(20s));
  EXPECT_EQ(Unparked(first).descriptors().size(), 1U);
}

TEST_F(Parking, ThatIsFullIsAnErrorAndGoesOnLater) {
  std::vector<Handle> parked;
  int error = 0;
  while (error == 0 && parked.size() < 10'000) {
    error = errno_of([&] { parked.push_back(park(std::vector{writer.fileno()}).at(0)); });
  }
  EXPECT_EQ(error, ENOBUFS);
  EXPECT_GE(parked.size(), 100U);
  for (std::size_t i = 0; i < parked.size(); i += 2) parked[i] = Handle();
  const std::vector<Handle> again = park(std::vector{writer.fileno()});
  EXPECT_EQ(Unparked(again).descriptors().size(), 1U);
  EXPECT_EQ(Unparked(std::span(parked).subspan(1, 1)).descriptors().size(), 1U);
}

TEST_F(Parking, BeyondTheLimitOfAUserIsAnErrorUntilSomeAreTaken) {
  EXPECT_EQ(test::in_child([&] {
              constexpr uid_t kNobody = 65534;
              if (::geteuid() == 0 && ::setresuid(kNobody, kNobody, kNobody) != 0) return 1;
              rlimit limit{};
              ::getrlimit(RLIMIT_NOFILE, &limit);
              limit.rlim_cur = 50;
              ::setrlimit(RLIMIT_NOFILE, &limit);
              std::vector<std::vector<Handle>> parked;
              int error = 0;
              while (error == 0 && parked.size() < 300) {
                error = errno_of([&] { parked.push_back(park(std::vector{writer.fileno()})); });
              }
              if (error != ETOOMANYREFS) return 2;
              parked.clear();
              return park(std::vector{writer.fileno()}).size() == 1 ? 0 : 3;
            }),
            0);
}

TEST_F(Parking, WhereTheProgramClosedItsSocketIsAnErrorAndHarmsNoOther) {
  std::vector<Handle> parked = park(std::vector{writer.fileno()});
  EXPECT_EQ(test::in_child([&] {
              const int in = memory::mapping().parking.in;
              ::close(in);
              const int program[2] = {::socket(AF_UNIX, SOCK_DGRAM, 0), in};
              ::dup2(program[0], program[1]);
              return errno_of([&] { static_cast<void>(park(std::vector{0})); }) == EBADF &&
                     errno_of([&] { Unparked unparked(parked); }) == EBADF;
            }),
            0);
  EXPECT_EQ(Unparked(parked).descriptors().size(), 1U);
}

TEST_F(Parking, AParkerThatDiesTakesItsDescriptorsAlong) {
  EXPECT_EQ(test::in_child([&] {
              static const std::vector<Handle> kept = park(std::vector{writer.fileno()});
            }),
            0);
  writer.close();
  memory::note_death();
  EXPECT_FALSE(writer_is_open());
}

TEST_F(Parking, SurvivesADeathAtAnyInstructionOfPark) {
  const std::vector<Handle> bystander = park(std::vector{reader.fileno()});
  auto report = test::kill_at_every_step({
      .act = [&] { static_cast<void>(park(std::vector{writer.fileno()})); },
      .check =
          [&] {
            memory::note_death();
            EXPECT_EQ(Unparked(bystander).descriptors().size(), 1U);
          },
  });
  EXPECT_GT(report.kills, 0);
  writer.close();
  memory::sweep();
  EXPECT_FALSE(writer_is_open());
}

TEST_F(Parking, SurvivesADeathAtAnyInstructionOfARelease) {
  auto [other, other_writer] = Pipe(false);
  const std::vector<Handle> bystander = park(std::vector{reader.fileno()});
  std::vector<Handle> dying;
  const std::vector<Handle> behind = park(std::vector{other.fileno()});
  auto report = test::kill_at_every_step({
      .approach = [&] { dying = park(std::vector{writer.fileno()}); },
      .act = [&] { dying.clear(); },
      .check =
          [&] {
            memory::note_death();
            EXPECT_EQ(Unparked(bystander).descriptors().size(), 1U);
            EXPECT_EQ(Unparked(behind).descriptors().size(), 1U);
          },
  });
  EXPECT_GT(report.kills, 0);
  writer.close();
  memory::sweep();
  EXPECT_FALSE(writer_is_open());
}

TEST_F(Parking, SurvivesADeathAtAnyInstructionOfUnpark) {
  const std::vector<Handle> in_front = park(std::vector{reader.fileno()});
  const std::vector<Handle> parked = park(std::vector{writer.fileno()});
  auto report = test::kill_at_every_step({
      .act = [&] { Unparked unparked(parked); },
      .check =
          [&] {
            EXPECT_EQ(Unparked(in_front).descriptors().size(), 1U);
            EXPECT_EQ(Unparked(parked).descriptors().size(), 1U);
          },
  });
  EXPECT_GT(report.kills, 0);
}

}  // namespace
}  // namespace multiprocessing
