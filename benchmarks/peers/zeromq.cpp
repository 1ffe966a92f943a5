// SPDX-License-Identifier: BSL-1.0
// PUSH and PULL over a Unix socket. Contexts are made in the processes that use them: they hold
// threads. Each consumer binds an address of its own, the n-th producer connects to the n-th.
#include <zmq.h>

#include <unistd.h>

#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>

#include "channel.hpp"
#include "crew.hpp"

namespace bench {
namespace {

class ZeroMq : public PeerChannel {
 public:
  ZeroMq(std::size_t consumers, int high_water_mark)
      : consumers_(consumers), high_water_mark_(high_water_mark), next_(shared<Counter>()) {
    static int number = 0;
    prefix_ = "ipc://@multiprocessing-benchmark-" + std::to_string(::getpid()) + "-" +
              std::to_string(++number) + "-";
  }
  void send(std::span<const std::byte> message) override {
    if (socket_ == nullptr) open(ZMQ_PUSH);
    if (zmq_send(socket_, message.data(), message.size(), 0) < 0) fail("zmq_send");
  }
  void receive(std::span<std::byte> message) override {
    if (socket_ == nullptr) open(ZMQ_PULL);
    if (zmq_recv(socket_, message.data(), message.size(), 0) < 0) fail("zmq_recv");
  }
  // A receiver whose high water mark is reached loses what its kernel buffer holds when the
  // sender hangs up, so a sender waits until the receivers have all.
  void finish() override {
    if (receives_) next_.finished.fetch_add(1);
    while (next_.finished.load() != consumers_) ::usleep(100);
    zmq_close(socket_);
    zmq_ctx_term(context_);
    socket_ = nullptr;
  }

 private:
  struct Counter {
    std::atomic<std::size_t> consumers;
    std::atomic<std::size_t> producers;
    std::atomic<std::size_t> finished;  // consumers
  };

  void open(int type) {
    receives_ = type == ZMQ_PULL;
    context_ = zmq_ctx_new();
    socket_ = zmq_socket(context_, type);
    zmq_setsockopt(socket_, ZMQ_SNDHWM, &high_water_mark_, sizeof high_water_mark_);
    zmq_setsockopt(socket_, ZMQ_RCVHWM, &high_water_mark_, sizeof high_water_mark_);
    if (type == ZMQ_PULL) {
      const std::string address = prefix_ + std::to_string(next_.consumers.fetch_add(1));
      if (zmq_bind(socket_, address.c_str()) != 0) fail("zmq_bind");
      return;
    }
    const std::size_t peer = next_.producers.fetch_add(1) % consumers_;
    if (zmq_connect(socket_, (prefix_ + std::to_string(peer)).c_str()) != 0) fail("zmq_connect");
  }
  [[noreturn]] static void fail(const char* call) {
    throw std::runtime_error(std::string(call) + ": " + zmq_strerror(zmq_errno()));
  }

  std::size_t consumers_;
  int high_water_mark_;
  Counter& next_;
  std::string prefix_;
  bool receives_ = false;
  void* context_ = nullptr;
  void* socket_ = nullptr;
};

}  // namespace

std::unique_ptr<PeerChannel> make_zeromq(std::size_t consumers, std::size_t high_water_mark) {
  return std::make_unique<ZeroMq>(consumers, static_cast<int>(high_water_mark));
}

}  // namespace bench
