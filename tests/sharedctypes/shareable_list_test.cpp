// SPDX-License-Identifier: BSL-1.0
// Lists in shared memory.
#include <gtest/gtest.h>

#include <cstring>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/context.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/process.hpp>
#include <multiprocessing/shared_memory.hpp>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

namespace mp = multiprocessing;
using mp::Object;
using mp::ShareableList;
using mp::SharedMemory;

namespace {

class ShareableListTest : public testing::Test {
 protected:
  ~ShareableListTest() override { list.shm().unlink(); }
  ShareableList list{1, "two", 3.0, nullptr, true, Object::bytes("bytes"), -7};
};

TEST_F(ShareableListTest, HoldsNumbersTextBytesAndNone) {
  EXPECT_EQ(list.size(), 7);
  EXPECT_EQ(list[0], 1);
  EXPECT_EQ(list[1], "two");
  EXPECT_EQ(list[2], 3.0);
  EXPECT_TRUE(list[3].is_none());
  EXPECT_TRUE(list[4].is<bool>());
  EXPECT_EQ(list[5], Object::bytes("bytes"));
  EXPECT_EQ(list[6].as<int>(), -7);
  const Object o = list[1];
  EXPECT_EQ(o.as<std::string>(), "two");
}

TEST_F(ShareableListTest, CountsFromTheEndAndNotBeyond) {
  EXPECT_EQ(list[-1], -7);
  EXPECT_EQ(list[-7], 1);
  EXPECT_THROW(static_cast<void>(Object(list[7])), mp::IndexError);
  EXPECT_THROW(static_cast<void>(Object(list[-8])), mp::IndexError);
  EXPECT_THROW(list[7] = 1, mp::IndexError);
}

TEST_F(ShareableListTest, IsSeenByWhoAttachesIt) {
  ShareableList same(list.shm().name());
  EXPECT_EQ(same.size(), 7);
  same[0] = 2;
  EXPECT_EQ(list[0], 2);
  EXPECT_EQ(same.format(), "q8sdxxxxxx?xxxxxxxx?8sq");
}

TEST_F(ShareableListTest, AnElementCanChangeItsType) {
  list[0] = "12345678";
  EXPECT_EQ(list[0], "12345678");
  list[1] = 2.5;
  EXPECT_EQ(list[1], 2.5);
  list[1] = nullptr;
  EXPECT_TRUE(list[1].is_none());
  list[1] = false;
  EXPECT_EQ(list[1].repr(), "False");
  list[1] = Object::bytes("xy");
  EXPECT_EQ(list[1], Object::bytes("xy"));
  list[2] = list[0];
  EXPECT_EQ(list[2], "12345678");
}

TEST_F(ShareableListTest, TextMustFitThePlaceThatItHadAtFirst) {
  list[1] = "eight !!";
  EXPECT_THROW(list[1] = "nine !!!!", mp::ValueError);
  EXPECT_THROW(list[0] = "nine !!!!", mp::ValueError);
  EXPECT_EQ(list[1], "eight !!");
  EXPECT_EQ(list[0], 1);
}

TEST_F(ShareableListTest, OtherTypesAreRefused) {
  EXPECT_THROW(list[0] = Object::list({1}), mp::TypeError);
  EXPECT_THROW(ShareableList({Object::tuple({1, 2})}), mp::TypeError);
  EXPECT_EQ(list[0], 1);
}

TEST_F(ShareableListTest, IsCountedSearchedWalkedAndPrinted) {
  EXPECT_EQ(list.count(1), 2);  // True is 1
  EXPECT_EQ(list.count("no"), 0);
  EXPECT_EQ(list.index(3), 2);
  EXPECT_THROW(static_cast<void>(list.index("no")), mp::ValueError);
  std::string all;
  for (const Object& item : list) all += item.repr() + " ";
  EXPECT_EQ(all, "1 'two' 3.0 None True b'bytes' -7 ");
  const std::string repr =
      "ShareableList([1, 'two', 3.0, None, True, b'bytes', -7], name='" + list.shm().name() + "')";
  EXPECT_EQ(list.repr(), repr);
  std::ostringstream out;
  out << list << list[1];
  EXPECT_EQ(out.str(), repr + "'two'");
  EXPECT_EQ(fmt::format("{} {}", list, list[1]), repr + " 'two'");
}

TEST_F(ShareableListTest, TravelsByItsName) {
  auto [a, b] = mp::Pipe();
  a.send(list);
  a.send(list[1]);
  auto received = b.recv<ShareableList>();
  received[0] = 77;
  EXPECT_EQ(list[0], 77);
  EXPECT_EQ(b.recv(), "two");
}

TEST_F(ShareableListTest, AClosedOneIsAValueError) {
  ShareableList same(list.shm().name());
  same.shm().close();
  EXPECT_THROW(static_cast<void>(Object(same[0])), mp::ValueError);
  EXPECT_THROW(same[0] = 1, mp::ValueError);
}

TEST(ShareableListMakingTest, TakesASequenceAndAName) {
  ShareableList list(std::vector<int>{1, 2, 3}, "mp_list_named");
  EXPECT_EQ(list.shm().name(), "mp_list_named");
  EXPECT_EQ(list[2], 3);
  EXPECT_THROW(ShareableList({1}, "mp_list_named"), std::system_error);
  list.shm().unlink();
  ShareableList of_object(Object::tuple({"a", 1}));
  EXPECT_EQ(of_object[0], "a");
  of_object.shm().unlink();
}

TEST(ShareableListMakingTest, AnEmptyOneHas16Bytes) {
  ShareableList list{};
  EXPECT_EQ(list.size(), 0);
  EXPECT_EQ(list.shm().size(), 16);
  EXPECT_EQ(ShareableList(list.shm().name()).size(), 0);
  list.shm().unlink();
}

TEST(ShareableListMakingTest, NoTextIsCut) {
  const std::string euros = "€€€€€€€€";
  ShareableList list{euros, std::string(255, 'x')};
  EXPECT_EQ(list[0], euros);
  EXPECT_EQ(list[1], std::string(255, 'x'));
  EXPECT_EQ(list.format(), "32s256s");
  list.shm().unlink();
  std::string longest;
  longest.resize(10'000'000, 'x');
  EXPECT_THROW(ShareableList({longest}), mp::ValueError);
}

TEST(ShareableListMakingTest, ZerosAtTheEndOfATextAreLost) {
  ShareableList list{Object::bytes(std::string("a\0b\0\0", 5))};
  EXPECT_EQ(list[0], Object::bytes(std::string("a\0b", 3)));
  list.shm().unlink();
}

void write_numbers(const SharedMemory& block, const std::vector<std::int64_t>& numbers) {
  std::memcpy(block.buf().data(), numbers.data(), numbers.size() * 8);
}

TEST(ShareableListMakingTest, ABlockThatIsTooSmallOrHoldsNoListIsRefused) {
  const auto refuses = [](std::int64_t size, const std::vector<std::int64_t>& numbers) {
    SharedMemory block(mp::create, size);
    write_numbers(block, numbers);
    EXPECT_THROW(ShareableList(block.name()), mp::ValueError);
    block.unlink();
  };
  refuses(8, {0});                   // no end
  refuses(1000, {-1, 0});            // fewer than none
  refuses(1000, {INT64_MAX, 0});     // more than it has room for
  refuses(40, {1, 0, 8});            // the format is cut
  refuses(41 - 1 + 8, {1, 0, 16});   // the element takes the place of its format
  refuses(1000, {2, 0, 16, 8});      // one ends before it begins
  refuses(1000, {1, -8, 8});         // one before the data
  refuses(1000, {1, 0, INT64_MAX});  // one behind it
  refuses(1000, {1, 0, 4});          // smaller than a number
  SharedMemory block(mp::create, 41);
  write_numbers(block, {1, 0, 8});
  EXPECT_EQ(ShareableList(block.name()).size(), 1);
  block.unlink();
}

TEST(ShareableListMakingTest, AnElementThatWasOverwrittenIsAValueError) {
  constexpr std::size_t kElementsAt = 8 * 4;
  constexpr std::size_t kFormatsAt = kElementsAt + 16;
  ShareableList list{1, "two"};
  SharedMemory block(list.shm().name());
  std::byte* const formats = block.buf().data() + kFormatsAt;
  for (const char* format : {"99999s", "x", "", "-1s", "8", "8sq", "99999999"}) {
    std::memset(formats, 0, 8);
    std::memcpy(formats, format, std::strlen(format));
    EXPECT_THROW(static_cast<void>(Object(list[0])), mp::ValueError) << format;
  }
  std::memcpy(formats, "8s\0\0\0\0\0", 8);
  formats[16] = std::byte{9};
  EXPECT_THROW(static_cast<void>(Object(list[0])), mp::ValueError);
  formats[16] = std::byte{1};
  block.buf()[kElementsAt] = std::byte{0xff};
  EXPECT_THROW(static_cast<void>(Object(list[0])), mp::ValueError);
  EXPECT_EQ(list[1], "two");
  list.shm().unlink();
}

}  // namespace
