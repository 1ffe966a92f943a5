// SPDX-License-Identifier: BSL-1.0
// Names and fingerprints: which types are the same, and what the error says where they are not.
#include <gtest/gtest.h>

#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/errors.hpp>
#include <ratio>

namespace shop {
struct Item {
  int price;
};
template <class T> struct Box { T content; };
}  // namespace shop

namespace market {
struct Item {
  int price;
};
struct Tree {
  std::vector<Tree> children;
};
enum class Kind { apple };
}  // namespace market

namespace multiprocessing::detail {
namespace {

template <class A, class B> bool same() { return fingerprint<A>() == fingerprint<B>(); }

TEST(Fingerprint, IsTheSameForWhatLiesInTheSameBytesAndMeansTheSame) {
  EXPECT_TRUE((same<long, long long>()));
  EXPECT_TRUE((same<int, std::int32_t>()));
  EXPECT_TRUE((same<std::set<int>, std::set<int, std::greater<>>>()));
  EXPECT_TRUE((same<std::vector<long>, std::vector<long long>>()));
  EXPECT_TRUE((same<std::map<int, long>, std::map<int, long long, std::greater<>>>()));
}

TEST(Fingerprint, DiffersForNumbersOfAnotherWidthOrSign) {
  EXPECT_FALSE((same<int, long>()));
  EXPECT_FALSE((same<int, unsigned>()));
  EXPECT_FALSE((same<float, double>()));
  EXPECT_FALSE((same<bool, char>()));
  EXPECT_FALSE((same<std::vector<int>, std::vector<long>>()));
}

TEST(Fingerprint, DiffersForAnotherStructure) {
  EXPECT_FALSE((same<std::vector<int>, std::list<int>>()));
  EXPECT_FALSE((same<std::map<int, int>, std::unordered_map<int, int>>()));
  EXPECT_FALSE((same<std::set<int>, std::multiset<int>>()));
  EXPECT_FALSE((same<std::pair<int, int>, std::tuple<int, int>>()));
  EXPECT_FALSE((same<std::array<int, 3>, std::array<int, 4>>()));
  EXPECT_FALSE((same<std::array<int, 12>, std::array<int, 21>>()));
  EXPECT_FALSE((same<std::tuple<std::tuple<int>, int>, std::tuple<std::tuple<int, int>>>()));
  EXPECT_FALSE((same<std::string, std::vector<char>>()));
  EXPECT_FALSE((same<std::vector<std::byte>, std::vector<unsigned char>>()));
  EXPECT_FALSE((same<std::chrono::seconds, std::chrono::milliseconds>()));
}

TEST(Fingerprint, OfAClassDependsOnItsNameAndItsMembers) {
  EXPECT_FALSE((same<shop::Item, market::Item>()));
  EXPECT_FALSE((same<shop::Box<int>, shop::Box<long>>()));
  EXPECT_FALSE((same<market::Kind, int>()));
  EXPECT_TRUE((same<market::Tree, market::Tree>()));
}

TEST(TypeName, IsWhatAProgrammerWrites) {
  EXPECT_EQ(type_name<int>(), "int");
  EXPECT_EQ(type_name<std::string>(), "std::string");
  EXPECT_EQ(type_name<std::wstring>(), "std::basic_string<wchar_t>");
  EXPECT_EQ((type_name<std::map<std::string, std::vector<int>>>()),
            "std::map<std::string, std::vector<int>>");
  EXPECT_EQ((type_name<std::set<int, std::greater<>>>()), "std::set<int>");
  EXPECT_EQ((type_name<std::array<double, 3>>()), "std::array<double, 3>");
  EXPECT_EQ((type_name<std::tuple<int, std::optional<bool>>>()),
            "std::tuple<int, std::optional<bool>>");
  EXPECT_EQ(type_name<std::tuple<>>(), "std::tuple<>");
  EXPECT_EQ(type_name<std::vector<std::byte>>(), "std::vector<std::byte>");
  EXPECT_EQ(type_name<shop::Item>(), "shop::Item");
  EXPECT_EQ(type_name<shop::Box<std::string>>(), "shop::Box<std::string>");
  EXPECT_EQ((type_name<shop::Box<std::map<std::string, int>>>()),
            "shop::Box<std::map<std::string, int>>");
}

TEST(DecodeAs, ReadsAMessageOfTheSameType) {
  Encoder encoder;
  encode(encoder, 5L);
  Decoder decoder(encoder.bytes());

  EXPECT_EQ(decode_as<long long>(fingerprint<long>(), decoder), 5);
}

TEST(DecodeAs, AMessageOfAnotherTypeIsATypeErrorThatNamesBothAndCanBeReadAgain) {
  using Sent = std::map<std::string, shop::Item>;
  Encoder encoder;
  encode(encoder, Sent{{"apple", {3}}});
  Decoder decoder(encoder.bytes());

  try {
    static_cast<void>(decode_as<std::vector<std::string>>(fingerprint<Sent>(), decoder));
    FAIL() << "decoded";
  } catch (const TypeError& error) {
    EXPECT_STREQ(error.what(),
                 "cannot receive a message as std::vector<std::string>: it holds "
                 "std::map<std::string, shop::Item>. Ask for that type");
  }

  Decoder again(encoder.bytes());
  EXPECT_EQ(decode_as<Sent>(fingerprint<Sent>(), again).at("apple").price, 3);
}

TEST(DecodeAs, ATypeThatThisProcessNeverHeardOfIsATypeErrorToo) {
  Encoder encoder;
  Decoder decoder(encoder.bytes());

  EXPECT_THROW(static_cast<void>(decode_as<int>(12345, decoder)), TypeError);
}

TEST(DecodeAs, MayWorkForEqualTypesAndForObjects) {
  EXPECT_TRUE(may_decode(fingerprint<int>(), fingerprint<int>()));
  EXPECT_TRUE(may_decode(object_fingerprint(), fingerprint<int>()));
  EXPECT_TRUE(may_decode(fingerprint<int>(), object_fingerprint()));
  EXPECT_FALSE(may_decode(fingerprint<int>(), fingerprint<long>()));
}

}  // namespace
}  // namespace multiprocessing::detail
