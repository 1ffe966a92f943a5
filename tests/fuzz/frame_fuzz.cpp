// SPDX-License-Identifier: BSL-1.0
// Any bytes as what the other side of a stream sends: each whole frame is received as it is, and
// whatever is none is EOFError, another error of the library or std::system_error.
//
// The first byte of the input says how it is received, its highest bit whether by reading ahead;
// the others are the stream.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <multiprocessing/connection.hpp>
#include <string>
#include <system_error>
#include <vector>

#include "connection/stream_end.hpp"

namespace mp = multiprocessing;
using mp::Connection;
using mp::connection::ReadAhead;

namespace {

constexpr std::uint64_t kLimit = 1000;
constexpr std::size_t kStreamBytesMax = 60'000;  // what a socket's buffer holds

using Bytes = std::vector<std::byte>;
using BytesView = std::span<const std::byte>;

enum class Receiving { kExactly, kAhead };

// A Connection whose other side has sent the bytes and hung up.
Connection connection_with(BytesView stream, Receiving how, bool pickle) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
  const ssize_t sent = ::send(ends[1], stream.data(), stream.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(stream.size())) std::abort();
  ::shutdown(ends[1], SHUT_WR);
  mp::connection::StreamOptions options;
  options.max_message_bytes = kLimit;
  options.pickle = pickle;
  Connection connection =
      mp::detail::ConnectionCore::connection(std::make_shared<mp::connection::StreamEnd>(
          mp::os::Fd(ends[0]), options,
          how == Receiving::kAhead ? ReadAhead::of_own_descriptor() : ReadAhead()));
  ::close(ends[1]);
  return connection;
}

std::uint64_t big_endian(BytesView bytes) {
  std::uint64_t number = 0;
  for (const std::byte b : bytes) number = number << 8 | std::to_integer<std::uint64_t>(b);
  return number;
}

struct Expected {
  std::vector<BytesView> frames;
  bool ends_well = false;  // behind a frame, not in the middle of something
};

// The format once more, written down as plainly as it can be.
Expected frames_of(BytesView stream) {
  Expected expected;
  while (stream.size() >= 4) {
    std::uint64_t length = big_endian(stream.first(4));
    std::size_t front = 4;
    if (length == 0xffff'ffff) {
      if (stream.size() < 12) return expected;
      length = big_endian(stream.subspan(4, 8));
      front = 12;
    } else if (length > 0x7fff'ffff) {
      return expected;
    }
    if (length > kLimit || stream.size() - front < length) return expected;
    expected.frames.push_back(stream.subspan(front, length));
    stream = stream.subspan(front + length);
  }
  expected.ends_well = stream.empty();
  return expected;
}

// Whether there was a message to take, of whatever type.
bool takes_bytes(Connection& connection) {
  try {
    static_cast<void>(connection.recv_bytes());
    return true;
  } catch (const mp::EOFError&) {
    return false;
  } catch (const std::system_error&) {
    return false;
  }
}

// Runs the call; false when the stream has ended or cannot be read any more.
template <class F> bool receives(Connection& connection, F f) {
  try {
    f();
    return true;
  } catch (const mp::EOFError&) {
    return false;
  } catch (const mp::TypeError&) {
    // A message of another type stays for the next call.
    return takes_bytes(connection);
  } catch (const mp::Error&) {
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

void compare(BytesView stream, Receiving how) {
  Connection connection = connection_with(stream, how, true);
  const Expected expected = frames_of(stream);
  for (const BytesView frame : expected.frames) {
    const Bytes received = connection.recv_bytes();
    if (!std::equal(received.begin(), received.end(), frame.begin(), frame.end())) std::abort();
  }
  bool ended_well = false;
  try {
    static_cast<void>(connection.recv_bytes());
    std::abort();
  } catch (const mp::EOFError&) {
    ended_well = true;
  } catch (const std::system_error&) {
  }
  if (ended_well != expected.ends_well) std::abort();
}

template <class T> void receive_all_as(BytesView stream, Receiving how, bool pickle) {
  Connection connection = connection_with(stream, how, pickle);
  while (receives(connection, [&] { static_cast<void>(connection.recv<T>()); })) {
  }
}

void receive_short(BytesView stream, Receiving how) {
  Connection connection = connection_with(stream, how, true);
  std::byte buffer[16];
  for (std::size_t i = 0;; ++i) {
    static_cast<void>(connection.poll());
    const bool goes_on =
        i % 2 == 0
            ? receives(connection, [&] { static_cast<void>(connection.recv_bytes_into(buffer)); })
            : receives(connection, [&] { static_cast<void>(connection.recv_bytes(20)); });
    if (!goes_on) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > kStreamBytesMax) return 0;
  const BytesView stream = std::as_bytes(std::span(data, size)).subspan(1);
  const Receiving how = data[0] < 128 ? Receiving::kExactly : Receiving::kAhead;
  switch (data[0] % 8) {
    case 0:
      receive_all_as<mp::Object>(stream, how, true);
      break;
    case 1:
      receive_all_as<std::vector<std::string>>(stream, how, true);
      break;
    case 2:
      receive_all_as<std::map<std::string, std::vector<double>>>(stream, how, false);
      break;
    case 3:
      receive_all_as<int>(stream, how, false);
      break;
    case 4:
      receive_short(stream, how);
      break;
    default:
      compare(stream, how);
  }
  return 0;
}
