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

Object decoded(std::string_view pickle) {
  return managers::decode_python(std::as_bytes(std::span(pickle)));
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
  EXPECT_EQ(decoded(kError3), error());
  EXPECT_EQ(decoded(kError4), error());
}

TEST(PythonPickle, ACallOfAContainersTypeIsTheContainer) {
  EXPECT_EQ(decoded("\x80\x03"
                    "cbuiltins\nlist\n](K\x01K\x02"
                    "e\x85R."s),
            Object::list({1, 2}));
  EXPECT_EQ(decoded("\x80\x03"
                    "cbuiltins\nset\n](K\x01K\x02"
                    "e\x85R."s),
            Object::set({1, 2}));
}

TEST(PythonPickle, ItsEveryBeginningIsRefused) {
  for (const std::string& pickle : {kError3, kError4}) {
    for (std::size_t n = 0; n < pickle.size(); ++n) {
      EXPECT_THROW(decoded(pickle.substr(0, n)), ValueError) << n;
    }
  }
}

TEST(PythonPickle, ATextLongerThanAnyMemoryIsRefused) {
  const std::string count = "\xf7\xff\xff\xff\xff\xff\xff\xff";  // with what stands before, 2^64

  EXPECT_THROW(decoded("\x80\x04\x8d" + count + "text."), ValueError);
  EXPECT_THROW(decoded("\x80\x04\x8e" + count + "text."), ValueError);
}

TEST(PythonPickle, WhatIsReferredToTwiceIsMadeOnce) {
  const Object pair = decoded(
      "\x80\x03"
      "cbuiltins\nslice\nq\0h\0\x86."s);

  EXPECT_EQ(pair[0], Object::tuple({"builtins", "slice"}));
  EXPECT_EQ(detail::ObjectAccess::rep(pair[0]), detail::ObjectAccess::rep(pair[1]));
}

}  // namespace
}  // namespace multiprocessing
