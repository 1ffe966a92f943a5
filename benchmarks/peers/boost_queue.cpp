// SPDX-License-Identifier: BSL-1.0
#include <unistd.h>

#include <boost/interprocess/ipc/message_queue.hpp>
#include <string>

#include "channel.hpp"

namespace bench {
namespace {

namespace bi = boost::interprocess;

class BoostQueue : public PeerChannel {
 public:
  BoostQueue(const std::string& name, std::size_t message_bytes, std::size_t capacity)
      : queue_(bi::create_only, name.c_str(), capacity, message_bytes) {
    bi::message_queue::remove(name.c_str());
  }
  void send(std::span<const std::byte> message) override {
    queue_.send(message.data(), message.size(), 0);
  }
  void receive(std::span<std::byte> message) override {
    bi::message_queue::size_type got = 0;
    unsigned priority = 0;
    queue_.receive(message.data(), message.size(), got, priority);
  }

 private:
  bi::message_queue queue_;
};

}  // namespace

std::unique_ptr<PeerChannel> make_boost_queue(std::size_t message_bytes, std::size_t capacity) {
  static int number = 0;
  const std::string name =
      "multiprocessing-benchmark-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
  return std::make_unique<BoostQueue>(name, message_bytes, capacity);
}

}  // namespace bench
