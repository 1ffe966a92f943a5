// SPDX-License-Identifier: BSL-1.0
// send_bytes, recv_bytes and recv_bytes_into, as Python's manual has them.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/synchronize.hpp>
#include <string>
#include <thread>
#include <vector>

#include "connection_test.hpp"

namespace multiprocessing {
namespace {

using test::bytes_of;
using test::errno_of;

TEST(SendBytes, SendsASliceOfTheBuffer) {
  auto [reader, writer] = Pipe(false);

  writer.send_bytes("abcdefghijklmnopqrstuvwxyz", 5);
  writer.send_bytes("abcdefghijklmnopqrstuvwxyz", 7, 8);
  writer.send_bytes("abc", 3);
  writer.send_bytes("abc", 1, 0);

  EXPECT_EQ(reader.recv_bytes(), bytes_of("fghijklmnopqrstuvwxyz"));
  EXPECT_EQ(reader.recv_bytes(), bytes_of("hijklmno"));
  EXPECT_EQ(reader.recv_bytes(), bytes_of(""));
  EXPECT_EQ(reader.recv_bytes(), bytes_of(""));
}

TEST(SendBytes, ASliceBeyondTheBufferIsAValueErrorAndSendsNothing) {
  auto [reader, writer] = Pipe(false);

  EXPECT_THROW(writer.send_bytes("abc", 4), ValueError);
  EXPECT_THROW(writer.send_bytes("abc", 0, 4), ValueError);
  EXPECT_THROW(writer.send_bytes("abc", 2, 2), ValueError);
  EXPECT_THROW(writer.send_bytes("abc", static_cast<std::size_t>(-1)), ValueError);
  EXPECT_THROW(writer.send_bytes("abc", 1, static_cast<std::size_t>(-1)), ValueError);

  EXPECT_FALSE(reader.poll());
}

TEST(SendBytes, TakesEveryKindOfBuffer) {
  auto [reader, writer] = Pipe(false);
  const std::vector<int> numbers{1, 2, 3};
  const std::array<std::byte, 2> array{std::byte{1}, std::byte{2}};

  writer.send_bytes(std::string("string"));
  writer.send_bytes(std::vector<char>{'a', 'b'});
  writer.send_bytes(std::vector<std::byte>{std::byte{9}});
  writer.send_bytes(array);
  writer.send_bytes(numbers, sizeof(int));

  EXPECT_EQ(reader.recv_bytes(), bytes_of("string"));
  EXPECT_EQ(reader.recv_bytes(), bytes_of("ab"));
  EXPECT_EQ(reader.recv_bytes(), std::vector{std::byte{9}});
  EXPECT_EQ(reader.recv_bytes().size(), 2U);
  std::array<int, 2> rest{};
  EXPECT_EQ(reader.recv_bytes_into(rest), sizeof rest);
  EXPECT_EQ(rest, (std::array<int, 2>{2, 3}));
}

TEST(RecvBytes, AMessageOfExactlyMaxlengthIsReceived) {
  auto [reader, writer] = Pipe(false);
  writer.send_bytes("12345");
  EXPECT_EQ(reader.recv_bytes(5), bytes_of("12345"));
}

TEST(RecvBytes, AMessageLongerThanMaxlengthClosesAnEndForReading) {
  auto [reader, writer] = Pipe(false);
  writer.send_bytes("12345");

  EXPECT_EQ(errno_of([&r = reader] { static_cast<void>(r.recv_bytes(4)); }), EMSGSIZE);

  EXPECT_TRUE(reader.closed());
  EXPECT_THROW(writer.send(1), BrokenPipeError);
}

TEST(RecvBytes, AMessageLongerThanMaxlengthLeavesADuplexEndForWriting) {
  auto [a, b] = Pipe();
  b.send_bytes("12345");

  EXPECT_EQ(errno_of([&c = a] { static_cast<void>(c.recv_bytes(4)); }), EMSGSIZE);

  EXPECT_FALSE(a.readable());
  EXPECT_TRUE(a.writable());
  EXPECT_FALSE(a.closed());
  EXPECT_EQ(errno_of([&c = a] { static_cast<void>(c.recv_bytes()); }), EBADF);
  EXPECT_EQ(errno_of([&c = a] { static_cast<void>(c.poll()); }), EBADF);
  a.send_bytes("still");
  EXPECT_EQ(b.recv_bytes(), bytes_of("still"));
}

TEST(RecvBytes, MaxlengthHoldsForALargeMessageToo) {
  auto [reader, writer] = Pipe(false);
  std::thread sender(
      [&w = writer] { EXPECT_THROW(w.send_bytes(test::pattern(5'000'000)), BrokenPipeError); });
  EXPECT_EQ(errno_of([&r = reader] { static_cast<void>(r.recv_bytes(1000)); }), EMSGSIZE);
  sender.join();
}

TEST(RecvBytesInto, WritesFromTheOffset) {
  auto [reader, writer] = Pipe(false);
  std::array<char, 6> buffer{'.', '.', '.', '.', '.', '.'};
  writer.send_bytes("abc");

  EXPECT_EQ(reader.recv_bytes_into(buffer, 2), 3U);

  EXPECT_EQ(std::string_view(buffer.data(), buffer.size()), "..abc.");
}

TEST(RecvBytesInto, AnOffsetBeyondTheBufferIsAValueErrorAndTheMessageStays) {
  auto [reader, writer] = Pipe(false);
  std::array<char, 3> buffer{};
  writer.send_bytes("");

  EXPECT_THROW(reader.recv_bytes_into(buffer, 4), ValueError);

  EXPECT_EQ(reader.recv_bytes_into(buffer, 3), 0U);
}

TEST(RecvBytesInto, AMessageTooLongForTheRestIsInTheErrorAndTheNextOneIsReceived) {
  auto [reader, writer] = Pipe(false);
  std::array<std::byte, 4> buffer{};
  writer.send_bytes("abc");
  writer.send_bytes("ab");

  try {
    reader.recv_bytes_into(buffer, 2);
    FAIL() << "no BufferTooShort";
  } catch (const BufferTooShort& error) {
    EXPECT_EQ(error.message(), bytes_of("abc"));
  }

  EXPECT_EQ(reader.recv_bytes_into(buffer, 2), 2U);
}

TEST(RecvBytes, OfATypedMessageAreBytesThatCanBePassedOn) {
  using Map = std::map<std::string, int>;
  auto [first, source] = Pipe(false);
  auto [last, relay] = Pipe(false);
  source.send(Map{{"a", 1}});

  relay.send_bytes(first.recv_bytes());

  EXPECT_EQ(last.recv<Map>(), (Map{{"a", 1}}));
}

TEST(RecvBytes, OfATypedMessageIntoABufferAreTheSameBytes) {
  auto [reader, writer] = Pipe(false);
  writer.send(7);
  writer.send(7);

  const std::vector<std::byte> bytes = reader.recv_bytes();
  std::vector<std::byte> buffer(bytes.size());

  EXPECT_EQ(reader.recv_bytes_into(buffer), bytes.size());
  EXPECT_EQ(buffer, bytes);
}

TEST(RecvBytes, AMessageWithHandlesIsATypeErrorAndStays) {
  auto [reader, writer] = Pipe(false);
  std::array<std::byte, 64> buffer{};
  writer.send(Lock());

  EXPECT_THROW(static_cast<void>(reader.recv_bytes()), TypeError);
  EXPECT_THROW(reader.recv_bytes_into(buffer), TypeError);

  EXPECT_TRUE(reader.recv<Lock>().acquire(false));
}

TEST(Recv, OfPlainBytesIsATypeErrorAndTheMessageStays) {
  auto [reader, writer] = Pipe(false);
  writer.send_bytes("plain");

  EXPECT_THROW(static_cast<void>(reader.recv<int>()), TypeError);
  EXPECT_THROW(static_cast<void>(reader.recv<std::string>()), TypeError);
  EXPECT_TRUE(reader.poll());

  EXPECT_EQ(reader.recv_bytes(), bytes_of("plain"));
}

}  // namespace
}  // namespace multiprocessing
