// SPDX-License-Identifier: BSL-1.0
// Every kind of message that travels without Boost comes back as it went, takes the size that was
// foretold, and is refused at every length that is too short.
#include "round_trip.hpp"

#include <cmath>
#include <limits>

namespace multiprocessing::detail {
namespace {

enum class Colour : std::uint8_t { red, green = 200 };
enum Plain { first, second = 70000 };

struct Point {
  int x;
  int y;
  bool operator==(const Point&) const = default;
};

struct Padded {
  char c;
  double d;
  bool b;
  bool operator==(const Padded&) const = default;
};

struct Record {
  std::string name;
  std::vector<Point> path;
  std::optional<double> weight;
  Padded padded;
  bool operator==(const Record&) const = default;
};

struct Tree {
  int value;
  std::vector<Tree> children;
  bool operator==(const Tree&) const = default;
};

struct Nothing {
  bool operator==(const Nothing&) const = default;
};

struct BitFields {
  unsigned low : 4;
  int high : 12;
  bool operator==(const BitFields&) const = default;
};

struct Arrays {
  char name[8];
  Point points[2];
  std::string texts[2][2];
  bool operator==(const Arrays&) const = default;
};

struct NoDefault {
  explicit NoDefault(int x) : number(x) {}
  int number;
  bool operator==(const NoDefault&) const = default;
};

// Opted in below.
class Packed {
 public:
  Packed() = default;
  Packed(int a, double b) : a_(a), b_(b) {}
  bool operator==(const Packed&) const = default;

 private:
  int a_ = 0;
  double b_ = 0;
};

union Bits {
  float number;
  std::uint32_t bits;
};

}  // namespace
}  // namespace multiprocessing::detail

template <>
inline constexpr bool multiprocessing::is_bitwise<multiprocessing::detail::NoDefault> = true;
template <>
inline constexpr bool multiprocessing::is_bitwise<multiprocessing::detail::Packed> = true;
template <> inline constexpr bool multiprocessing::is_bitwise<multiprocessing::detail::Bits> = true;

namespace multiprocessing::detail {
namespace {

TEST(RoundTrip, NumbersKeepTheirValues) {
  expect_round_trip(true);
  expect_round_trip('x');
  expect_round_trip(std::numeric_limits<std::int8_t>::min());
  expect_round_trip(std::numeric_limits<std::uint16_t>::max());
  expect_round_trip(-1);
  expect_round_trip(std::numeric_limits<long>::min());
  expect_round_trip(std::numeric_limits<unsigned long long>::max());
  expect_round_trip(1.5F);
  expect_round_trip(-0.1);
  expect_round_trip(1.0L / 3);
  expect_round_trip(u8'x');
  expect_round_trip(u'x');
  expect_round_trip(U'x');
  expect_round_trip(L'x');
  EXPECT_TRUE(std::isnan(copied(std::nan(""))));
  EXPECT_TRUE(std::signbit(copied(-0.0)));
}

TEST(RoundTrip, EnumsAndUnitsKeepTheirValues) {
  expect_round_trip(Colour::green);
  expect_round_trip(second);
  expect_round_trip(std::byte{7});
  expect_round_trip(nullptr);
  expect_round_trip(std::monostate{});
  expect_round_trip(std::tuple<>{});
  expect_round_trip(Nothing{});
  expect_round_trip(std::array<std::string, 0>{});
}

TEST(RoundTrip, StringsMayBeOfAnyLengthAndHoldAnyByte) {
  for (const std::size_t n : {0UL, 1UL, 15UL, 16UL, 254UL, 255UL, 256UL, 70000UL}) {
    const std::string text(n, 'x');
    EXPECT_EQ(copied(text), text);
  }
  expect_round_trip(std::string("nul\0inside", 10));
  expect_round_trip(std::u8string(u8"ä"));
  expect_round_trip(std::u16string(u"äöü"));
  expect_round_trip(std::u32string(U"äöü"));
  expect_round_trip(std::wstring(L"äöü"));
}

TEST(RoundTrip, SequencesKeepTheirOrder) {
  expect_round_trip(std::vector<int>{});
  expect_round_trip(std::vector<int>{1, -2, 3});
  expect_round_trip(std::vector<double>(300, 0.5));
  expect_round_trip(std::vector<std::byte>{std::byte{1}, std::byte{255}});
  expect_round_trip(std::vector<std::string>{"a", "", "ccc"});
  expect_round_trip(std::vector<std::vector<int>>{{1}, {}, {2, 3}});
  expect_round_trip(std::vector<Colour>{Colour::red, Colour::green});
  expect_round_trip(std::deque<long>{1, 2, 3});
  expect_round_trip(std::deque<std::string>{"x", "y"});
  expect_round_trip(std::list<double>{1, 2.5});
  expect_round_trip(std::array<int, 3>{1, 2, 3});
  expect_round_trip(std::array<std::string, 2>{"x", "y"});
  expect_round_trip(std::array<std::array<bool, 2>, 2>{{{true, false}, {false, true}}});
}

TEST(RoundTrip, AVectorOfBoolMayHaveAnyNumberOfBits) {
  for (std::size_t n = 0; n < 70; ++n) {
    std::vector<bool> bits(n);
    for (std::size_t i = 0; i < n; ++i) bits[i] = i % 3 == 0;
    expect_round_trip(bits);
  }
}

TEST(RoundTrip, SetsAndMapsKeepTheirElements) {
  expect_round_trip(std::set<std::string>{"a", "b"});
  expect_round_trip(std::set<int, std::greater<>>{1, 2, 3});
  expect_round_trip(std::multiset<int>{1, 1, 2});
  expect_round_trip(std::unordered_set<int>{1, 2, 3});
  expect_round_trip(std::unordered_multiset<int>{1, 1, 3});
  expect_round_trip(std::map<std::string, int>{{"a", 1}, {"b", 2}});
  expect_round_trip(std::multimap<int, std::string>{{1, "a"}, {1, "b"}});
  expect_round_trip(std::unordered_map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}});
  expect_round_trip(std::unordered_multimap<int, int>{{1, 1}, {1, 1}});
}

TEST(RoundTrip, ComposedValuesKeepTheirParts) {
  expect_round_trip(std::pair<int, std::string>{1, "x"});
  expect_round_trip(std::tuple<int, std::string, double>{1, "x", 2.5});
  expect_round_trip(std::optional<std::string>{});
  expect_round_trip(std::optional<std::string>{"x"});
  expect_round_trip(std::optional<std::optional<int>>{std::optional<int>{}});
  expect_round_trip(std::variant<int, std::string, std::monostate>{"x"});
  expect_round_trip(std::variant<int, int>{std::in_place_index<1>, 5});
  expect_round_trip(std::complex<double>{1, -2});
  expect_round_trip(std::vector<std::complex<float>>{{1, 2}, {3, 4}});
  expect_round_trip(std::chrono::milliseconds{1500});
  expect_round_trip(std::chrono::duration<double>{0.25});
  expect_round_trip(std::chrono::system_clock::now());
  expect_round_trip(std::bitset<0>{});
  expect_round_trip(
      std::bitset<70>{"1000000000000000000000000000000000000000000000000000000000001"});
}

TEST(RoundTrip, AUniquePtrArrivesWithAValueOfItsOwn) {
  const std::unique_ptr<int> number = copied(std::make_unique<int>(5));
  const std::unique_ptr<Record> none = copied(std::unique_ptr<Record>());

  EXPECT_EQ(*number, 5);
  EXPECT_EQ(none, nullptr);
}

TEST(RoundTrip, AggregatesTravelMemberByMember) {
  expect_round_trip(Point{1, -2});
  expect_round_trip(Padded{'x', 0.5, true});
  expect_round_trip(std::vector<Point>{{1, 2}, {3, 4}});
  expect_round_trip(std::vector<Padded>{{'x', 0.5, true}, {'y', -1, false}});
  expect_round_trip(Record{"name", {{1, 2}}, 0.5, {'x', 1, false}});
  expect_round_trip(Tree{1, {Tree{2, {}}, Tree{3, {Tree{4, {}}}}}});
  expect_round_trip(BitFields{15, -7});
  expect_round_trip(Arrays{"arrays", {{1, 2}, {3, 4}}, {{"a", "b"}, {"c", "d"}}});
  expect_round_trip(std::map<std::string, Record>{{"a", {"b", {}, {}, {}}}});
}

TEST(RoundTrip, AClassThatOptedInTravelsAsItsBytes) {
  expect_round_trip(NoDefault(3));
  expect_round_trip(Packed(3, 0.5));
  expect_round_trip(std::vector<NoDefault>(3, NoDefault(1)));
  expect_round_trip(std::deque<NoDefault>(3, NoDefault(1)));
  expect_round_trip(std::vector<Packed>(3, Packed(1, 2)));
  EXPECT_EQ(copied(Bits{.number = 1.5F}).bits, Bits{.number = 1.5F}.bits);
}

TEST(RoundTrip, PaddingIsNeverSent) {
  alignas(Padded) std::byte dirty[sizeof(Padded)];
  std::memset(dirty, 0x55, sizeof dirty);
  auto* padded = new (dirty) Padded;
  padded->c = 'x';
  padded->d = 0;
  padded->b = true;

  EXPECT_EQ(bytes_of(*padded), bytes_of(Padded{'x', 0, true}));
  EXPECT_EQ(bytes_of(*padded).size(), sizeof(char) + sizeof(double) + sizeof(bool));
}

#if __has_builtin(__builtin_clear_padding)
TEST(RoundTrip, PaddingOfAClassThatOptedInIsSentAsZeros) {
  alignas(Packed) std::byte dirty[sizeof(Packed)];
  std::memset(dirty, 0x55, sizeof dirty);
  auto* packed = new (dirty) Packed(1, 2);

  const std::vector<std::byte> bytes = bytes_of(*packed);

  EXPECT_EQ(bytes.size(), sizeof(Packed));
  EXPECT_EQ(bytes[4], std::byte{0});
  EXPECT_EQ(bytes_of(std::vector<Packed>(1, *packed)).back(), bytes.back());
}
#endif

TEST(RoundTrip, ANumberThatIsNeitherTrueNorFalseIsReadAsTrue) {
  const std::byte odd[] = {std::byte{2}};
  Decoder decoder(odd);

  EXPECT_EQ(decode<bool>(decoder), true);
}

TEST(RoundTrip, ArraysOfNumbersLieAlignedInTheMessage) {
  Encoder encoder;
  encode(encoder, std::string("odd"));
  encode(encoder, std::vector<double>{1, 2});

  const std::size_t numbers = encoder.size() - 2 * sizeof(double);

  EXPECT_EQ(numbers % alignof(double), 0U);
}

TEST(RoundTrip, AMessageAtAnyAddressIsRead) {
  const std::vector<double> numbers{1, 2, 3};
  const std::vector<std::byte> bytes = bytes_of(std::pair{'x', numbers});
  for (std::size_t shift = 0; shift < 16; ++shift) {
    alignas(16) std::byte memory[128];
    std::memcpy(memory + shift, bytes.data(), bytes.size());
    Decoder decoder({memory + shift, bytes.size()});

    EXPECT_EQ((decode<std::pair<char, std::vector<double>>>(decoder).second), numbers);
  }
}

TEST(RoundTrip, ALengthThatIsMoreThanTheMessageHasIsAnErrorAndNotAnAllocation) {
  Encoder encoder;
  encoder.write_length(std::uint64_t{1} << 60);
  const auto expect_error = [&]<class T>(std::type_identity<T>) {
    Decoder decoder(encoder.bytes());
    EXPECT_THROW(static_cast<void>(decode<T>(decoder)), ValueError) << type_name<T>();
  };

  expect_error(std::type_identity<std::string>{});
  expect_error(std::type_identity<std::vector<int>>{});
  expect_error(std::type_identity<std::vector<bool>>{});
  expect_error(std::type_identity<std::vector<Nothing>>{});
  expect_error(std::type_identity<std::deque<std::string>>{});
  expect_error(std::type_identity<std::map<int, int>>{});
  expect_error(std::type_identity<std::unordered_set<std::string>>{});
}

TEST(RoundTrip, AVariantThatTellsOfAnAlternativeItDoesNotHaveIsAnError) {
  const std::byte three[] = {std::byte{3}};
  Decoder decoder(three);

  EXPECT_THROW(static_cast<void>(decode<std::variant<int, char>>(decoder)), ValueError);
}

TEST(RoundTrip, WhatUsersWriteAsTextTravelsAsString) {
  static_assert(std::is_same_v<message_type_t<const char(&)[4]>, std::string>);
  static_assert(std::is_same_v<message_type_t<char*>, std::string>);
  static_assert(std::is_same_v<message_type_t<const char* const&>, std::string>);
  static_assert(std::is_same_v<message_type_t<std::string_view>, std::string>);
  static_assert(std::is_same_v<message_type_t<std::string&>, std::string>);
  static_assert(std::is_same_v<message_type_t<const int&>, int>);
  static_assert(std::is_same_v<message_type_t<std::vector<int>&&>, std::vector<int>>);
}

}  // namespace
}  // namespace multiprocessing::detail
