// SPDX-License-Identifier: BSL-1.0
// Address as a value.
#include <gtest/gtest.h>

#include <multiprocessing/connection.hpp>
#include <set>
#include <sstream>
#include <string>
#include <unordered_set>

namespace multiprocessing {
namespace {

using namespace std::string_literals;

TEST(AddressTest, IsAHostAndAPortOrAPathOrNone) {
  const Address internet{"127.0.0.1", 6000};
  EXPECT_EQ(internet.host(), "127.0.0.1");
  EXPECT_EQ(internet.port(), 6000);
  EXPECT_EQ(internet.path(), "");
  EXPECT_FALSE(internet.empty());
  const Address file = "/tmp/socket";
  EXPECT_EQ(file.path(), "/tmp/socket");
  EXPECT_EQ(file.host(), "");
  EXPECT_EQ(file.port(), 0);
  EXPECT_FALSE(file.empty());
  EXPECT_TRUE(Address().empty());
  EXPECT_FALSE(Address("", 0).empty()) << "all addresses of this machine";
}

TEST(AddressTest, KeepsTheNulOfAnAbstractName) {
  EXPECT_EQ(Address("\0name").path(), "\0name"s);
  EXPECT_EQ(Address("\0name"s).path(), "\0name"s);
  EXPECT_EQ(Address("").path(), "");
}

TEST(AddressTest, RefusesWhatIsNone) {
  EXPECT_THROW(Address("127.0.0.1", -1), ValueError);
  EXPECT_THROW(Address("127.0.0.1", 65536), ValueError);
  EXPECT_THROW(Address("/tmp/a\0b"s), ValueError);
  EXPECT_THROW(Address("a\0b"s, 1), ValueError);
}

TEST(AddressTest, ComparesAndHashes) {
  const Address a{"127.0.0.1", 1};
  const Address b{"127.0.0.1", 2};
  EXPECT_EQ(a, Address("127.0.0.1", 1));
  EXPECT_NE(a, b);
  EXPECT_NE(Address("x", 0), Address("x"));
  EXPECT_EQ((std::set<Address>{b, a, "/p", a}).size(), 3U);
  EXPECT_EQ((std::unordered_set<Address>{b, a, "/p", a}).size(), 3U);
}

TEST(AddressTest, PrintsAsPythonDoes) {
  EXPECT_EQ(fmt::format("{}", Address("127.0.0.1", 6000)), "('127.0.0.1', 6000)");
  EXPECT_EQ(fmt::format("{:>6}", Address("/tmp")), "  /tmp");
  std::ostringstream out;
  out << Address("\0name");
  EXPECT_EQ(out.str(), "\\x00name");
}

TEST(AddressTest, IsAMessage) {
  auto [reader, writer] = Pipe(false);
  for (const Address& address : {Address("::1", 65535), Address("", 0), Address("/tmp/socket"),
                                 Address("\0name"), Address()}) {
    writer.send(address);
    EXPECT_EQ(reader.recv<Address>(), address);
  }
  writer.send(std::vector<Address>{"/a", {"b", 1}});
  EXPECT_EQ(reader.recv<std::vector<Address>>(), (std::vector<Address>{"/a", {"b", 1}}));
}

}  // namespace
}  // namespace multiprocessing
