// SPDX-License-Identifier: BSL-1.0
// The `o[key]` of an Object where messages and arguments are taken.
#include <gtest/gtest.h>

#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/object.hpp>
#include <type_traits>

namespace mp = multiprocessing;
using mp::Object;

namespace {

TEST(ObjectItemMessageTest, TravelsAsTheObjectThatItIs) {
  using Sent = mp::detail::message_type_t<const Object::Item&>;
  EXPECT_TRUE((std::is_same_v<Sent, Object>));
  Object o = Object::dict({{"k", Object::list({1})}});
  mp::detail::Encoder encoder;

  mp::detail::encode<Sent>(encoder, o["k"]);

  mp::detail::Decoder decoder(encoder.bytes());
  EXPECT_EQ(mp::detail::decode<Object>(decoder), Object::list({1}));
}

TEST(ObjectItemMessageTest, IsKeptAsAnObject) {
  EXPECT_TRUE((std::is_same_v<mp::detail::kept_t<Object::Item>, Object>));
  EXPECT_TRUE((std::is_same_v<mp::detail::kept_t<const Object&>, Object>));
  EXPECT_TRUE((std::is_same_v<mp::detail::kept_t<const int&>, int>));
}

}  // namespace
