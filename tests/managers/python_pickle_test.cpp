// SPDX-License-Identifier: BSL-1.0
// Pickles of CPython's managers, which name classes.
#include "managers/python_pickle.hpp"

#include <gtest/gtest.h>

#include <multiprocessing/detail/object_access.hpp>
#include <multiprocessing/errors.hpp>
#include <string>
#include <string_view>

namespace multiprocessing {
namespace {

using namespace std::string_literals;

Object reply(std::string_view pickle) {
  return managers::decode_python_reply(std::as_bytes(std::span(pickle)));
}
managers::PythonRequest request(std::string_view pickle) {
  return managers::decode_python_request(std::as_bytes(std::span(pickle)));
}

// The value that is returned by ("#RETURN", value), of the value's pickle by protocol 3.
Object returned(const std::string& value) {
  return reply("\x80\x03X\x07\0\0\0#RETURN"s + value + "\x86.")[1];
}
// The only argument of a request that has it.
Object argument(const std::string& value) {
  return request("\x80\x03(NX\x01\0\0\0f"s + value + "\x85}t.").args.at(0);
}

// pickle.dumps(("#ERROR", KeyError("k")), 3)
const std::string kError3 =
    "\x80\x03X\x06\0\0\0#ERRORq\0cbuiltins\nKeyError\nq\x01X\x01\0\0\0kq\x02\x85q\x03Rq\x04\x86q\x05."s;
// The same by protocol 4.
const std::string kError4 =
    "\x80\x04\x95\x2c\0\0\0\0\0\0\0\x8c\x06#ERROR\x94\x8c\x08"
    "builtins\x94\x8c\x08KeyError\x94\x93\x94\x8c\x01k\x94\x85\x94R\x94\x86\x94."s;

Object error() {
  return Object::tuple(
      {"#ERROR", Object::tuple({Object::tuple({"builtins", "KeyError"}), Object::tuple({"k"})})});
}

TEST(PythonPickle, AClassIsItsModuleAndItsNameByEachProtocol) {
  EXPECT_EQ(reply(kError3), error());
  EXPECT_EQ(reply(kError4), error());
}

TEST(PythonPickle, ACallOfAContainersTypeIsTheContainer) {
  const std::string list =
      "cbuiltins\nlist\n](K\x01K\x02"
      "e\x85R"s;
  const std::string set =
      "cbuiltins\nset\n](K\x01K\x02"
      "e\x85R"s;

  EXPECT_EQ(returned(list), Object::list({1, 2}));
  EXPECT_EQ(argument(set), Object::set({1, 2}));
}

TEST(PythonPickle, AnObjectOfAnotherClassIsRefusedByName) {
  const std::string range = "cbuiltins\nrange\nK\0K\x02K\x01\x87R"s;
  for (const auto& decode : {returned, argument}) {
    try {
      static_cast<void>(decode(range));
      FAIL();
    } catch (const TypeError& error) {
      EXPECT_NE(std::string(error.what()).find("builtins.range"), std::string::npos);
    }
    EXPECT_THROW(static_cast<void>(decode("]" + range + "a")), TypeError);
    EXPECT_THROW(static_cast<void>(decode("cbuiltins\nlen\n"s)), TypeError);
  }
}

TEST(PythonPickle, ATupleThatLooksLikeACallIsOne) {
  const std::string tuple =
      "X\x08\0\0\0builtinsX\x04\0\0\0list\x86](K\x01"
      "e\x85\x86"s;

  EXPECT_EQ(returned(tuple), Object::tuple({Object::tuple({"builtins", "list"}),
                                            Object::tuple({Object::list({1})})}));
}

TEST(PythonPickle, ASliceIsAnArgumentAndNoValue) {
  const std::string slice = "cbuiltins\nslice\nK\x01K\x02N\x87R"s;

  EXPECT_EQ(argument(slice),
            Object::tuple({Object::tuple({"builtins", "slice"}), Object::tuple({1, 2, nullptr})}));
  EXPECT_THROW(static_cast<void>(returned(slice)), TypeError);
}

TEST(PythonPickle, ItsEveryBeginningIsRefused) {
  for (const std::string& pickle : {kError3, kError4}) {
    for (std::size_t n = 0; n < pickle.size(); ++n) {
      EXPECT_THROW(reply(pickle.substr(0, n)), ValueError) << n;
    }
  }
}

TEST(PythonPickle, ATextLongerThanAnyMemoryIsRefused) {
  const std::string count = "\xf7\xff\xff\xff\xff\xff\xff\xff";  // with what stands before, 2^64

  EXPECT_THROW(reply("\x80\x04\x8d" + count + "text."), ValueError);
  EXPECT_THROW(reply("\x80\x04\x8e" + count + "text."), ValueError);
}

TEST(PythonPickle, WhatIsReferredToTwiceIsMadeOnce) {
  const Object pair = returned(
      "](K\x01K\x02"
      "eq\0h\0\x86"s);

  EXPECT_EQ(pair[0], Object::list({1, 2}));
  EXPECT_EQ(detail::ObjectAccess::rep(pair[0]), detail::ObjectAccess::rep(pair[1]));
}

}  // namespace
}  // namespace multiprocessing
