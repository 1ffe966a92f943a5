// SPDX-License-Identifier: BSL-1.0
#include "connection/core.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <system_error>

#include "memory/identity.hpp"
#include "os/packet_socket.hpp"
#include "os/poll.hpp"

namespace multiprocessing::detail {
namespace {

using connection::kBodyBytes;
using connection::PacketHeader;

// Never destroyed: connections may be globals.
std::mutex& cores_mutex() {
  static std::mutex* const instance = [] {
    ::pthread_atfork([] { cores_mutex().lock(); }, [] { cores_mutex().unlock(); },
                     [] { cores_mutex().unlock(); });
    return new std::mutex;
  }();
  return *instance;
}

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), "Connection: " + what);
}

std::uint32_t next_number() noexcept {
  static std::atomic<std::uint32_t> last{0};
  return ++last;
}

// Waits while others receive; a receiver that died in the middle took its message with it.
class Turn {
 public:
  explicit Turn(sync::RawLock& lock) : lock_(lock) { static_cast<void>(lock.acquire()); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { lock_.release(); }

 private:
  sync::RawLock& lock_;
};

}  // namespace

ConnectionCore::ConnectionCore(os::Fd fd, memory::Handle pipe, unsigned end, bool readable,
                               bool writable)
    : fd_(std::make_shared<os::Fd>(std::move(fd))),
      pipe_(std::move(pipe)),
      end_(end),
      readable_(readable),
      writable_(writable) {
  static const bool registered = (connection::register_finalizers(), cores_mutex(), true);
  static_cast<void>(registered);
}

ConnectionCore::SharedFd ConnectionCore::fd_for(const char* call, For purpose) {
  if (purpose == For::kReading && !readable_) {
    fail(EBADF, std::string(call) + ": this end is for sending only; use the other one");
  }
  if (purpose == For::kWriting && !writable_) {
    fail(EBADF, std::string(call) + ": this end is for receiving only; use the other one");
  }
  const std::lock_guard guard(cores_mutex());
  if (fd_ == nullptr) fail(EBADF, std::string(call) + ": handle is closed");
  return fd_;
}

void ConnectionCore::send(Fingerprint type, std::span<const std::byte> bytes,
                          std::span<const Handle> handles, std::span<const int> descriptors) {
  const SharedFd fd = fd_for("send", For::kWriting);
  if (descriptors.size() > os::kPacketDescriptors) {
    throw ValueError("Connection: " + std::to_string(descriptors.size()) +
                     " descriptors in one message; send at most " +
                     std::to_string(os::kPacketDescriptors) + " at a time");
  }
  PacketHeader header{PacketHeader::kFirst, type, bytes.size(), 0, memory::self(), next_number()};
  if (!handles.empty()) header.bag = connection::pack(pipe(), handles);
  try {
    send_packets(fd->get(), header, bytes, descriptors);
  } catch (...) {
    if (header.bag != 0) connection::discard(pipe(), header.bag);
    throw;
  }
}

void ConnectionCore::send_packets(int fd, PacketHeader header, std::span<const std::byte> bytes,
                                  std::span<const int> descriptors) {
  const auto send_one = [&](std::span<const std::byte> body, std::span<const int> riding) {
    const auto head = std::as_bytes(std::span(&header, 1));
    if (os::send_packet(fd, head, body, riding) == os::Sent::kPeerClosed) {
      throw BrokenPipeError("Connection: send: the other end is closed in every process");
    }
  };
  if (bytes.size() <= kBodyBytes) {
    send_one(bytes, descriptors);
    return;
  }
  // Packets of one message follow each other: no other message in pieces begins in between.
  const Turn turn(pipe().sending[end_]);
  send_one(bytes.first(kBodyBytes), descriptors);
  header.mark = PacketHeader::kMore;
  for (std::size_t at = kBodyBytes; at < bytes.size(); at += kBodyBytes) {
    send_one(bytes.subspan(at, std::min(kBodyBytes, bytes.size() - at)), {});
  }
}

std::optional<Incoming> ConnectionCore::take_pending() {
  const std::lock_guard guard(cores_mutex());
  if (pending_.empty()) return std::nullopt;
  std::optional<Incoming> message(std::move(pending_.front()));
  pending_.pop_front();
  return message;
}

bool ConnectionCore::has_pending() {
  const std::lock_guard guard(cores_mutex());
  return !pending_.empty();
}

void ConnectionCore::give_back(Incoming&& message) {
  message.keep();
  const std::lock_guard guard(cores_mutex());
  pending_.push_front(std::move(message));
}

Incoming ConnectionCore::receive() {
  const SharedFd fd = fd_for("recv", For::kReading);
  const Turn turn(pipe().receiving[end_]);
  if (auto pending = take_pending()) return std::move(*pending);
  Incoming message;
  PacketHeader header{};
  while (!receive_first(fd->get(), message, header)) {
  }
  if (header.total_bytes > kBodyBytes) receive_rest(fd->get(), message, header);
  message.type = header.type;
  if (header.bag != 0) message.handles = connection::unpack(pipe(), header.bag);
  return message;
}

// False: a piece of a message whose beginning was received by a process that is dead.
bool ConnectionCore::receive_first(int fd, Incoming& message, PacketHeader& header) {
  std::vector<os::Fd> descriptors;
  const std::span<std::byte> buffer = message.buffer();
  const std::size_t got = os::receive_packet(fd, buffer, descriptors);
  if (got == 0) throw EOFError("Connection: recv: the other end is closed in every process");
  if (got < sizeof header) fail(EBADMSG, "recv: something else was written into this pipe");
  std::memcpy(&header, buffer.data(), sizeof header);
  if (header.mark == PacketHeader::kMore) return false;
  const std::size_t body = got - sizeof header;
  if (header.mark != PacketHeader::kFirst ||
      body != std::min<std::uint64_t>(header.total_bytes, kBodyBytes)) {
    fail(EBADMSG, "recv: something else was written into this pipe");
  }
  message.bytes = buffer.subspan(sizeof header, body);
  for (os::Fd& descriptor : descriptors) message.descriptors.push_back(descriptor.release());
  return true;
}

// The whole grows as it comes: no memory is taken on the word of a header alone.
void ConnectionCore::receive_rest(int fd, Incoming& message, const PacketHeader& header) {
  std::vector<std::byte> whole;
  whole.reserve(std::min<std::uint64_t>(header.total_bytes, std::uint64_t{16} << 20));
  whole.assign(message.bytes.begin(), message.bytes.end());
  while (whole.size() < header.total_bytes) {
    await_rest(fd, header);
    Incoming piece;
    PacketHeader more{};
    const bool first = receive_first(fd, piece, more);
    if (first && more.total_bytes <= kBodyBytes) {
      // A short message of another sender: it is next.
      piece.type = more.type;
      if (more.bag != 0) piece.handles = connection::unpack(pipe(), more.bag);
      piece.keep();
      const std::lock_guard guard(cores_mutex());
      pending_.push_back(std::move(piece));
      continue;
    }
    if (first || more.sender != header.sender || more.number != header.number) continue;
    const std::span<std::byte> buffer = piece.buffer();
    const std::size_t body =
        std::min<std::uint64_t>(kBodyBytes, header.total_bytes - whole.size());
    const std::byte* from = buffer.data() + sizeof more;
    whole.insert(whole.end(), from, from + body);
  }
  message.assign(std::move(whole));
}

// Waits for the next piece; a sender that died in the middle will not send it.
void ConnectionCore::await_rest(int fd, const PacketHeader& header) {
  pollfd entry{fd, POLLIN, 0};
  for (;;) {
    const auto deadline = os::Deadline::after(std::chrono::milliseconds(50));
    const bool gone = memory::dead(header.sender);
    if (os::poll_until(std::span(&entry, 1), deadline) != 0) return;
    if (gone) fail(ECONNRESET, "recv: the sender died in the middle of a message");
  }
}

bool ConnectionCore::poll(const os::Deadline& deadline) {
  const SharedFd fd = fd_for("poll", For::kReading);
  if (has_pending()) return true;
  pollfd entry{fd->get(), POLLIN, 0};
  return os::poll_until(std::span(&entry, 1), deadline) != 0;
}

int ConnectionCore::fileno() { return fd_for("fileno", For::kAnything)->get(); }

void ConnectionCore::close() {
  SharedFd closing;
  std::deque<Incoming> pending;
  const std::lock_guard guard(cores_mutex());
  closing.swap(fd_);
  pending.swap(pending_);
}

bool ConnectionCore::closed() {
  const std::lock_guard guard(cores_mutex());
  return fd_ == nullptr;
}

void ConnectionCore::travel(Encoder& encoder) {
  encoder.put(static_cast<std::uint8_t>(end_ | (readable_ ? 2U : 0U) | (writable_ ? 4U : 0U)));
  encoder.write_handle(pipe_);
  encoder.write_descriptor(fileno());
}

std::shared_ptr<ConnectionCore> ConnectionCore::arrive(Decoder& decoder) {
  const auto bits = decoder.take<std::uint8_t>();
  Handle pipe = decoder.read_handle();
  return std::make_shared<ConnectionCore>(os::Fd(decoder.read_descriptor()), std::move(pipe),
                                          bits & 1U, (bits & 2U) != 0, (bits & 4U) != 0);
}

}  // namespace multiprocessing::detail
