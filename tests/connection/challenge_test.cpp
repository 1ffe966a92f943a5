// SPDX-License-Identifier: BSL-1.0
// The messages of the handshake, against digests that CPython's hmac module computed.
#include "connection/challenge.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <multiprocessing/connection.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "connection_test.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using connection::answer_to;
using connection::Bytes;
using connection::Challenge;
using connection::check_verdict;
using connection::Secret;
using test::bytes_of;

Bytes operator+(std::string_view front, std::string_view hex) {
  Bytes bytes = bytes_of(front);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

const std::vector<std::byte> kKey = bytes_of("the key");
const std::vector<std::byte> kForty = [] {
  std::vector<std::byte> bytes(40);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}();
const Secret kSecret{kKey, true};
const Secret kNoMd5{kKey, false};

// The answers to "{DIGEST}" and the bytes 0 to 39.
struct Vector {
  const char* digest;
  const char* hex;
};
constexpr Vector kVectors[] = {
    {"md5", "99b5257051aad904757b24e7e8ece0a6"},
    {"sha256", "027bf3e44b180a48d71aaec8de1b3953288c35ffe5adfb1f92745a88eedeec37"},
    {"sha384",
     "1322221a6d04c03fda62c627d1ee17a0e813e367db1f079dae4c5672bb32b789"
     "f8dfeab57cdec05f3215eb21b4868d1b"},
    {"sha3_256", "c8698cc15923540d9b465c0ce68c7cf71c00d0b749ae6213a1914d95e3b3de4a"},
    {"sha3_384",
     "f97e91615141d6c6cf99780b40a72dc9dcaead54e407a6fe454e5ec9eb6d22da"
     "bd8d9472d4f0be1a691124948dfe2941"},
};
constexpr char kEmptyKeyHex[] = "d18b190a737f779d3125c4a2dfddcebf933e2f2713bc92fbe386ca25df9fd7af";
constexpr char kOldAnswerHex[] = "2420ee802e5418daa7ee02f36466dfa1";
constexpr char kAnswerToOldHex[] = "5c3989c0e60601cb3412a0f1a51e7f1f";

TEST(ChallengeTest, AnswersAreWhatPythonComputes) {
  for (const Vector& vector : kVectors) {
    const Challenge challenge(kSecret, vector.digest, kForty);
    const Bytes answer = "{" + std::string(vector.digest) + "}" + std::string_view(vector.hex);
    EXPECT_EQ(answer_to(kSecret, challenge.message()), answer) << vector.digest;
    EXPECT_NO_THROW(challenge.verify(answer)) << vector.digest;
  }
}

TEST(ChallengeTest, AnEmptyKeyIsAKey) {
  const Secret empty{{}, true};
  const Challenge challenge(empty, "sha256", kForty);
  const Bytes answer = "{sha256}" + std::string_view(kEmptyKeyHex);
  EXPECT_EQ(answer_to(empty, challenge.message()), answer);
  EXPECT_NO_THROW(challenge.verify(answer));
  EXPECT_THROW(Challenge(kSecret, "sha256", kForty).verify(answer), AuthenticationError);
}

TEST(ChallengeTest, OlderPeersAnswerWithMd5AloneAndAskWithTwentyBytes) {
  const Challenge challenge(kSecret, "sha256", kForty);
  EXPECT_NO_THROW(challenge.verify("" + std::string_view(kOldAnswerHex)));
  EXPECT_THROW(Challenge(kNoMd5, "sha256", kForty).verify("" + std::string_view(kOldAnswerHex)),
               AuthenticationError);
  const Bytes old = bytes_of("#CHALLENGE#abcdefghijklmnopqrst");
  EXPECT_EQ(answer_to(kSecret, old), "" + std::string_view(kAnswerToOldHex));
  const Bytes modern = answer_to(kNoMd5, old);
  EXPECT_EQ(modern.size(), 40U) << "as CPython answers where MD5 is not to be had";
  EXPECT_EQ(Bytes(modern.begin(), modern.begin() + 8), bytes_of("{sha256}"));
}

TEST(ChallengeTest, Md5IsRefusedWhereItIsNotAllowed) {
  EXPECT_THROW(Challenge(kNoMd5, "md5"), ValueError);
  const Challenge md5(kSecret, "md5", kForty);
  EXPECT_THROW(static_cast<void>(answer_to(kNoMd5, md5.message())), AuthenticationError);
  const Challenge challenge(kNoMd5, "sha256", kForty);
  EXPECT_THROW(challenge.verify(answer_to({kKey, true}, md5.message())), AuthenticationError);
}

TEST(ChallengeTest, EachIsAnother) {
  const Challenge one(kSecret, "sha256");
  const Challenge other(kSecret, "sha256");
  EXPECT_EQ(one.message().size(), 59U);
  EXPECT_NE(one.message(), other.message());
  EXPECT_THROW(one.verify(answer_to(kSecret, other.message())), AuthenticationError);
}

TEST(ChallengeTest, AnythingElseThanTheAnswerIsRefused) {
  const Challenge challenge(kSecret, "sha256", kForty);
  const Bytes good = answer_to(kSecret, challenge.message());
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= std::byte{1};
    EXPECT_THROW(challenge.verify(bad), AuthenticationError) << i;
    EXPECT_THROW(challenge.verify(std::span(good).first(i)), AuthenticationError) << i;
  }
  Bytes longer = good;
  longer.push_back({});
  for (const Bytes& bad :
       {longer, bytes_of("{sha256"), bytes_of("{}"), bytes_of("{whirlpool}"), bytes_of("{md5}"),
        bytes_of("0123456789abcdef"), bytes_of("0123456789abcdefghij"), bytes_of("#WELCOME#")}) {
    EXPECT_THROW(challenge.verify(bad), AuthenticationError);
  }
}

TEST(ChallengeTest, AnythingElseThanAChallengeIsRefused) {
  for (const std::string& bad :
       {std::string(), std::string("#CHALLENGE#"), std::string("#CHALLENGE#short"),
        std::string("#challenge#{sha256}") + std::string(40, 'x'),
        "#CHALLENGE#" + std::string(48, 'x'), "#CHALLENGE#{sha512}" + std::string(40, 'x'),
        "#CHALLENGE#{sha256" + std::string(40, 'x')}) {
    EXPECT_THROW(static_cast<void>(answer_to(kSecret, bytes_of(bad))), AuthenticationError) << bad;
  }
}

TEST(ChallengeTest, OnlyAWelcomeIsOne) {
  EXPECT_NO_THROW(check_verdict(bytes_of("#WELCOME#")));
  for (const char* bad : {"#FAILURE#", "", "#WELCOME", "#WELCOME##", "#welcome#"}) {
    EXPECT_THROW(check_verdict(bytes_of(bad)), AuthenticationError) << bad;
  }
}

class ChallengeFunctions : public testing::Test {
 protected:
  std::pair<Connection, Connection> ends = Pipe();
  test::Watchdog watchdog{60s};
};

TEST_F(ChallengeFunctions, BothSidesAgreeOnAKey) {
  for (const char* digest : {"md5", "sha256", "sha384", "sha3_256", "sha3_384"}) {
    std::thread other([&] { answer_challenge(ends.second, "key"); });
    EXPECT_NO_THROW(deliver_challenge(ends.first, "key", digest));
    other.join();
  }
}

TEST_F(ChallengeFunctions, AnotherKeyIsAnErrorOnBothSides) {
  std::thread other(
      [&] { EXPECT_THROW(answer_challenge(ends.second, "other"), AuthenticationError); });
  EXPECT_THROW(deliver_challenge(ends.first, "key"), AuthenticationError);
  other.join();
}

TEST_F(ChallengeFunctions, ABogusAnswerIsAnError) {
  ends.second.send_bytes("something bogus");
  EXPECT_THROW(deliver_challenge(ends.first, "abc"), AuthenticationError);
  EXPECT_EQ(ends.second.recv_bytes().size(), 59U);
  EXPECT_EQ(ends.second.recv_bytes(), bytes_of("#FAILURE#"));
}

TEST_F(ChallengeFunctions, ABogusVerdictIsAnError) {
  ends.second.send_bytes(Challenge(kSecret, "sha256").message());
  ends.second.send_bytes("something bogus");
  EXPECT_THROW(answer_challenge(ends.first, "abc"), AuthenticationError);
}

TEST_F(ChallengeFunctions, NoKeyAndAnUnknownDigestAreValueErrors) {
  EXPECT_THROW(deliver_challenge(ends.first, nullptr), ValueError);
  EXPECT_THROW(answer_challenge(ends.first, {}), ValueError);
  EXPECT_THROW(deliver_challenge(ends.first, "key", "crc32"), ValueError);
  EXPECT_THROW(deliver_challenge(ends.first, "key", "md5", false), ValueError);
}

}  // namespace
}  // namespace multiprocessing
