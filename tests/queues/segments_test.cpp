// SPDX-License-Identifier: BSL-1.0
// How much memory the row of a queue's segments takes.
#include <string>

#include "channel.hpp"
#include "queue_test.hpp"

namespace multiprocessing::test {
namespace {

using SegmentsTest = QueueTest;

// The room of the segment that the next message goes into.
std::size_t last_segment(const Channel& channel) {
  const auto last = channel.object().producers.segment.load();
  return memory::block_size(memory::at(last));
}

void put_and_get(Channel& channel, int messages) {
  const std::string message(1000, 'x');
  for (int i = 0; i < messages; ++i) ASSERT_TRUE(channel.put(message));
  for (int i = 0; i < messages; ++i) ASSERT_EQ(channel.get_nowait(), message);
}

TEST_F(SegmentsTest, AQueueThatIsNeverLongStaysInSmallOnes) {
  Channel channel;
  for (int i = 0; i < 1000; ++i) put_and_get(channel, 1);
  EXPECT_EQ(last_segment(channel), std::size_t{64} * 1024);
}

TEST_F(SegmentsTest, AStreamGetsOnesThatMakeItQuickAndKeepsThemWhenItIsShort) {
  Channel channel;
  for (int i = 0; i < 20; ++i) put_and_get(channel, 150);
  EXPECT_EQ(last_segment(channel), std::size_t{256} * 1024);
  const std::size_t blocks = memory::usage().blocks;
  for (int i = 0; i < 2000; ++i) put_and_get(channel, 1);
  EXPECT_EQ(last_segment(channel), std::size_t{256} * 1024);
  EXPECT_EQ(memory::usage().blocks, blocks);
}

TEST_F(SegmentsTest, ALongQueueGetsLargeOnesAndGivesThemBack) {
  Channel channel;
  const std::string message(1000, 'x');
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(channel.put(message));
  EXPECT_EQ(last_segment(channel), std::size_t{1} << 20);
  const std::size_t blocks = memory::usage().blocks;
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(channel.get_nowait(), message);
  EXPECT_LT(memory::usage().blocks, blocks);
}

}  // namespace
}  // namespace multiprocessing::test
