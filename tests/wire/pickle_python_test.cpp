// SPDX-License-Identifier: BSL-1.0
// Pickles to and from Debian's python3.
#include <gtest/gtest.h>

#include <multiprocessing/detail/pickle.hpp>
#include <string>

#include "canonical.hpp"
#include "python_peer.hpp"

namespace mp = multiprocessing;
using mp::Object;
using mp::detail::Encoder;
using mp::test::canonical;
using mp::test::PythonPeer;

namespace {

constexpr int kValues = 10000;
constexpr std::uint32_t kSeed = 4;

const std::string kScript = WIRE_TESTS_FOLDER "/pickle_peer.py";

Object unpickled(std::string_view bytes) {
  return mp::detail::decode_pickle(std::as_bytes(std::span(bytes)));
}

class PicklePythonTest : public testing::Test {
 protected:
  // There and back: what Python saw in it, and what came back.
  void expect_echo(const Object& value) {
    Encoder encoder;
    mp::detail::encode_pickle(encoder, value);
    peer_.send(encoder.bytes());

    const std::string seen = peer_.receive();
    const std::string back = peer_.receive();

    ASSERT_EQ(seen, canonical(value)) << value;
    ASSERT_EQ(canonical(unpickled(back)), canonical(value)) << value;
  }

 private:
  PythonPeer peer_{kScript, {"echo"}};
};

TEST_F(PicklePythonTest, RandomValuesGoToPythonAndComeBackByAllProtocols) {
  mp::test::RandomValues values(kSeed);
  for (int i = 0; i < kValues && !HasFailure(); ++i) expect_echo(values.value(3));
}

TEST_F(PicklePythonTest, HugeTextsAndManyElementsGoToPythonAndComeBack) {
  for (int protocol = 2; protocol <= 5; ++protocol) {
    expect_echo(std::string(5'000'000, 'x'));
    expect_echo(Object::bytes(std::string(300'000, '\xff')));
    Object many = Object::list();
    for (int i = 0; i < 3001; ++i) many.append(Object::dict({{i, "a text"}, {"key", i}}));
    expect_echo(many);
  }
}

TEST_F(PicklePythonTest, WhatIsNestedAsDeepAsPythonGoesComesBack) {
  Object deep;
  for (int i = 0; i < 200; ++i) deep = i % 2 == 0 ? Object::list({deep}) : Object::tuple({1, deep});
  for (int protocol = 2; protocol <= 5; ++protocol) expect_echo(deep);
}

TEST(PickleFromPythonTest, RandomValuesComeFromPythonByAllProtocolsAndGoBack) {
  PythonPeer peer(kScript, {"generate", std::to_string(kSeed), std::to_string(kValues)});
  for (int i = 0; i < kValues; ++i) {
    const Object value = unpickled(peer.receive());
    ASSERT_EQ(canonical(value), peer.receive());

    Encoder encoder;
    mp::detail::encode_pickle(encoder, value);
    peer.send(encoder.bytes());
    ASSERT_EQ(peer.receive(), "equal");
  }
  EXPECT_EQ(peer.finish(), 0);
}

}  // namespace
