// SPDX-License-Identifier: BSL-1.0
// Subclasses of Process with a queue between them, several of one kind in a vector.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace mp = multiprocessing;

using Message = std::pair<int, std::string>;

struct Sender : mp::ProcessOf<Sender> {
  Sender() = default;
  Sender(int n, mp::Queue<Message> to) : number(n), queue(std::move(to)) {}
  void run() override { queue.put({number, "Hello queue!"}); }

  template <class Archive> void serialize(Archive& archive, unsigned) { archive& number& queue; }
  int number = 0;
  mp::Queue<Message> queue;
};

struct Receiver : mp::ProcessOf<Receiver> {
  Receiver() = default;
  Receiver(std::size_t messages, mp::Queue<Message> from)
      : count(messages), queue(std::move(from)) {}
  void run() override {
    std::set<Message> sorted;
    while (sorted.size() < count) sorted.insert(queue.get());
    for (const auto& [number, text] : sorted) fmt::print("{} {}\n", number, text);
  }

  template <class Archive> void serialize(Archive& archive, unsigned) { archive& count& queue; }
  std::size_t count = 0;
  mp::Queue<Message> queue;
};

int main() {
  mp::Queue<Message> queue;
  std::vector<Sender> senders;
  for (int number : {121, 122, 123}) senders.emplace_back(number, queue);
  Receiver receiver(senders.size(), queue);

  receiver.start();
  for (Sender& sender : senders) sender.start();
  for (Sender& sender : senders) sender.join();
  receiver.join();
}
