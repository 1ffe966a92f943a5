// SPDX-License-Identifier: BSL-1.0
// What a sweep does with further reference words that a killed process did not come to link.
#include <gtest/gtest.h>

#include <cstring>

#include "blocks_test.hpp"
#include "child.hpp"
#include "long_form.hpp"
#include "memory/block_word.hpp"
#include "memory/object.hpp"
#include "memory/object_life.hpp"
#include "memory/reference_word.hpp"
#include "memory/segment.hpp"
#include "traced_process.hpp"

namespace multiprocessing::memory {
namespace {

using test::TracedProcess;

struct Cell : ObjectHeader {
  static constexpr ObjectKind kKind = ObjectKind::kNone;
};

// As a process leaves it that is killed just before it links it.
void* make_unlinked_extension(ObjectName object) {
  auto* const extension = static_cast<std::uint64_t*>(allocate(128));
  std::memset(extension, 0, 128);
  extension[0] = object;
  set_block_kind(extension, BlockKind::kExtension);
  return extension;
}

// A process that is about to do the sweep's step for such an extension of `cell`.
class Sweeper {
 public:
  explicit Sweeper(Handle& cell)
      : process_(
            [&] {
              extension_ = make_unlinked_extension(name_of(cell));
              cell = {};
            },
            [&] { dispose_extension(extension_, blocks().owner_word(extension_), self()); }) {}

  void step() { ASSERT_EQ(process_.step(), TracedProcess::State::kStopped); }
  void go_on_to_the_end() {
    while (process_.next_system_call() == TracedProcess::State::kStopped) {
    }
  }

 private:
  void* extension_ = nullptr;
  TracedProcess process_;
};

using Extensions = BlocksTest;

int instructions_until_it_takes_the_object() {
  Handle cell = make_object<Cell>();
  Sweeper sweeper(cell);
  int instructions = 0;
  for (; owner(cell.get()) == kShared && !testing::Test::HasFailure(); ++instructions) {
    sweeper.step();
  }
  sweeper.go_on_to_the_end();
  return instructions;
}

// The object ends after that many instructions, and its memory becomes a message.
void make_a_message_after(int instructions) {
  Handle cell = make_object<Cell>();
  void* const place = cell.get();
  Sweeper sweeper(cell);
  for (int i = 0; i < instructions; ++i) sweeper.step();
  cell = {};
  void* const message = std::memset(allocate(sizeof(Cell)), 0, sizeof(Cell));
  ASSERT_EQ(message, place);
  publish(message);

  sweeper.go_on_to_the_end();

  ASSERT_TRUE(claim(message)) << "after " << instructions << " instructions";
  deallocate(message);
}

TEST_F(Extensions, OfAnObjectThatEndsMeanwhileLeaveToOthersWhatIsMadeInItsPlace) {
  const int all = instructions_until_it_takes_the_object();
  const int stride = test::long_form() ? 1 : all / 25 + 1;
  for (int i = all - 1; i >= 0 && !HasFailure(); i -= stride) make_a_message_after(i);
  EXPECT_GT(all, 20);
  expect_nothing_left();
}

TEST_F(Extensions, WhoseObjectIsHeldAreLookedAtOnceMore) {
  Handle cell = make_object<Cell>();
  ASSERT_EQ(test::in_child([&] { make_unlinked_extension(name_of(cell)); }), 0);
  ASSERT_TRUE(claim(cell.get()));
  sweep();

  publish(cell.get());

  expect_nothing_left(1);
}

}  // namespace
}  // namespace multiprocessing::memory
