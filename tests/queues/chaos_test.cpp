// SPDX-License-Identifier: BSL-1.0
// Producers and consumers that are killed at random moments: no message is torn, doubled or out of
// order, none is missing but those that killed consumers had in their hands.
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "queue_test.hpp"
#include "random_killer.hpp"

namespace multiprocessing::test {
namespace {

constexpr std::uint32_t kLives = 1 << 14;     // of producers
constexpr std::uint32_t kMessages = 1 << 14;  // of each life

// In memory that all processes share and that no kill takes back.
struct Board {
  std::atomic<std::uint32_t> lives;
  std::array<std::atomic<std::uint32_t>, kLives> put;  // how many put() calls returned
  std::atomic<std::uint64_t> received;
  std::atomic<std::uint64_t> torn;
  std::atomic<std::uint64_t> doubled;
  std::atomic<std::uint64_t> out_of_order;
  std::array<std::array<std::atomic<std::uint8_t>, kMessages>, kLives> seen;
};

struct Head {
  std::uint32_t life;
  std::uint32_t number;
  std::uint64_t sum;
};

std::uint64_t sum_of(const std::string& message) {
  std::uint64_t sum = message.size();
  for (std::size_t i = sizeof(Head); i < message.size(); ++i) {
    sum = sum * 31 + static_cast<unsigned char>(message[i]);
  }
  return sum;
}

class Chaos {
 public:
  Chaos()
      : board_(static_cast<Board*>(::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {}
  Chaos(const Chaos&) = delete;
  Chaos& operator=(const Chaos&) = delete;
  ~Chaos() { ::munmap(board_, sizeof(Board)); }

  template <class Queue> void produce(const Queue& q) {
    const std::uint32_t life = board_->lives.fetch_add(1);
    std::mt19937 random(life);
    std::string noise(200'000, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    for (std::uint32_t number = 0; number < kMessages; ++number) {
      std::string message = noise.substr(0, sizeof(Head) + length_of(random));
      Head head{life, number, sum_of(message)};
      std::memcpy(message.data(), &head, sizeof head);
      q.put(message);
      board_->put[life] = number + 1;
    }
  }

  // Looks at each message that `get` returns, until that is an empty one.
  template <class Get> void consume(Get get) {
    std::vector<std::uint32_t> next(kLives, 0);
    for (std::string message = get(); !message.empty(); message = get()) check(message, next);
  }

  void expect_all_is_well(std::uint64_t most_missing) const {
    std::uint64_t put = 0;
    std::uint64_t missing = 0;
    for (std::uint32_t life = 0; life < board_->lives; ++life) {
      put += board_->put[life];
      for (std::uint32_t i = 0; i < board_->put[life]; ++i)
        missing += board_->seen[life][i] == 0 ? 1 : 0;
    }
    EXPECT_EQ(board_->torn, 0U);
    EXPECT_EQ(board_->doubled, 0U);
    EXPECT_EQ(board_->out_of_order, 0U);
    EXPECT_LE(missing, most_missing) << "of " << put;
    EXPECT_GT(put, 0U);
  }

  // Fails when nothing has been received for a long time.
  void expect_progress() {
    if (board_->received != received_) {
      received_ = board_->received;
      since_ = Clock::now();
    }
    EXPECT_LT(since(since_), 10s) << "the queue hangs";
  }

 private:
  static std::size_t length_of(std::mt19937& random) {
    const auto kind = random() % 100;
    if (kind < 70) return random() % 300;
    if (kind < 92) return random() % 5000;
    return random() % 190'000;
  }

  void check(const std::string& message, std::vector<std::uint32_t>& next) {
    Head head{};
    if (message.size() >= sizeof head) std::memcpy(&head, message.data(), sizeof head);
    if (head.sum != sum_of(message) || head.life >= kLives || head.number >= kMessages) {
      ++board_->torn;
      return;
    }
    if (board_->seen[head.life][head.number].fetch_add(1) != 0) ++board_->doubled;
    if (head.number < next[head.life]) ++board_->out_of_order;
    next[head.life] = head.number + 1;
    ++board_->received;
  }

  Board* board_;
  std::uint64_t received_ = 0;
  Clock::time_point since_ = Clock::now();
};

std::string get_or_nothing(const mp::Queue<std::string>& q) {
  try {
    return q.get_nowait();
  } catch (const mp::Empty&) {
    return {};
  }
}

// Half of the processes put, half get.
void survive(int processes, int maxsize) {
  const mp::Queue<std::string> q(maxsize);
  Chaos chaos;
  const int kills = rounds(150, 3000);
  kill_at_random({.kills = kills,
                  .processes = processes,
                  .work =
                      [&](int number) {
                        if (number % 2 == 0) chaos.produce(q);
                        if (number % 2 == 1) chaos.consume([&] { return q.get(); });
                      },
                  .check = [&] { chaos.expect_progress(); }});
  chaos.consume([&] { return get_or_nothing(q); });
  chaos.expect_all_is_well(static_cast<std::uint64_t>(kills) +
                           static_cast<std::uint64_t>(processes));
  for (int i = 0; i < maxsize; ++i) q.put_nowait("x");
  EXPECT_EQ(q.full(), maxsize > 0);
}

using ChaosTest = QueueTest;

TEST_F(ChaosTest, TwoProcessesThroughABoundedQueue) { survive(2, 16); }
TEST_F(ChaosTest, FourProcessesThroughABoundedQueue) { survive(4, 64); }
TEST_F(ChaosTest, EightProcessesThroughABoundedQueue) { survive(8, 8); }
TEST_F(ChaosTest, FourProcessesThroughAnUnboundedQueue) { survive(4, 0); }

// A consumer marks an item as done when it asks for the next one.
TEST_F(ChaosTest, EveryItemOfAJoinableQueueIsDoneOrTold) {
  const mp::JoinableQueue<std::string> q(64);
  Chaos chaos;
  const int kills = rounds(150, 3000);
  std::size_t told = 0;
  const auto join = [&](Timeout timeout) {
    try {
      return q.join(timeout);
    } catch (const mp::OwnerDiedError& error) {
      told += error.lost();
      return false;
    }
  };
  const auto get_next = [&, first = true]() mutable {
    if (!first) q.task_done();
    first = false;
    return q.get();
  };
  kill_at_random({.kills = kills,
                  .processes = 4,
                  .work =
                      [&](int number) {
                        if (number % 2 == 0) chaos.produce(q);
                        if (number % 2 == 1) chaos.consume(get_next);
                      },
                  .check =
                      [&] {
                        chaos.expect_progress();
                        join(0s);
                      }});
  chaos.consume([&] {
    std::string message = get_or_nothing(q);
    if (!message.empty()) q.task_done();
    return message;
  });
  while (!join(1s)) {
  }
  chaos.expect_all_is_well(static_cast<std::uint64_t>(kills) + 4);
  EXPECT_LE(told, static_cast<std::size_t>(kills + 4));
  EXPECT_THROW(q.task_done(), mp::ValueError);
}

}  // namespace
}  // namespace multiprocessing::test
