// SPDX-License-Identifier: BSL-1.0
// What the kernel offers: pipe, socketpair, POSIX message queue.
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <string>

#include "channel.hpp"
#include "crew.hpp"

namespace bench {
namespace {

void write_all(int fd, iovec* parts, int count) {
  while (count > 0) {
    ssize_t done = ::writev(fd, parts, count);
    if (done < 0) throw std::runtime_error("writev failed");
    while (count > 0 && static_cast<std::size_t>(done) >= parts->iov_len) {
      done -= static_cast<ssize_t>(parts->iov_len);
      ++parts;
      --count;
    }
    if (count > 0) {
      parts->iov_base = static_cast<char*>(parts->iov_base) + done;
      parts->iov_len -= static_cast<std::size_t>(done);
    }
  }
}

void read_all(int fd, void* to, std::size_t bytes) {
  auto* at = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = ::read(fd, at, bytes);
    if (got <= 0) throw std::runtime_error("read failed");
    at += got;
    bytes -= static_cast<std::size_t>(got);
  }
}

// A stream of frames: length, then bytes.
class Stream : public PeerChannel {
 public:
  Stream(int reader, int writer, bool several)
      : reader_(reader), writer_(writer), several_(several), locks_(shared<Locks>()) {
    pthread_mutexattr_t attributes;
    ::pthread_mutexattr_init(&attributes);
    ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    ::pthread_mutex_init(&locks_.read, &attributes);
    ::pthread_mutex_init(&locks_.write, &attributes);
  }
  ~Stream() override {
    ::close(reader_);
    ::close(writer_);
  }

  void send(std::span<const std::byte> message) override {
    auto length = static_cast<std::uint32_t>(message.size());
    iovec parts[2] = {{&length, sizeof length},
                      {const_cast<std::byte*>(message.data()), message.size()}};
    // The kernel keeps a write of up to 4096 bytes whole.
    const bool guard = several_ && message.size() > 4000;
    if (guard) ::pthread_mutex_lock(&locks_.write);
    write_all(writer_, parts, 2);
    if (guard) ::pthread_mutex_unlock(&locks_.write);
  }
  void receive(std::span<std::byte> message) override {
    if (several_) ::pthread_mutex_lock(&locks_.read);
    std::uint32_t length = 0;
    read_all(reader_, &length, sizeof length);
    read_all(reader_, message.data(), length);
    if (several_) ::pthread_mutex_unlock(&locks_.read);
  }

 private:
  struct Locks {
    pthread_mutex_t read;
    pthread_mutex_t write;
  };
  int reader_;
  int writer_;
  bool several_;
  Locks& locks_;
};

class PosixQueue : public PeerChannel {
 public:
  explicit PosixQueue(mqd_t queue) : queue_(queue) {}
  ~PosixQueue() override { ::mq_close(queue_); }
  void send(std::span<const std::byte> message) override {
    if (::mq_send(queue_, reinterpret_cast<const char*>(message.data()), message.size(), 0) != 0) {
      throw std::runtime_error("mq_send failed");
    }
  }
  void receive(std::span<std::byte> message) override {
    if (::mq_receive(queue_, reinterpret_cast<char*>(message.data()), message.size(), nullptr) <
        0) {
      throw std::runtime_error("mq_receive failed");
    }
  }

 private:
  mqd_t queue_;
};

}  // namespace

std::unique_ptr<PeerChannel> make_pipe(bool several) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  return std::make_unique<Stream>(ends[0], ends[1], several);
}

std::unique_ptr<PeerChannel> make_socketpair(bool several) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::runtime_error("socketpair failed");
  }
  return std::make_unique<Stream>(ends[0], ends[1], several);
}

std::unique_ptr<PeerChannel> make_posix_queue(std::size_t message_bytes) {
  const std::string name = "/multiprocessing-benchmark-" + std::to_string(::getpid());
  mq_attr attributes{};
  attributes.mq_maxmsg = 10;
  attributes.mq_msgsize = static_cast<long>(message_bytes);
  const mqd_t queue = ::mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
  if (queue < 0) return nullptr;
  ::mq_unlink(name.c_str());
  return std::make_unique<PosixQueue>(queue);
}

}  // namespace bench
