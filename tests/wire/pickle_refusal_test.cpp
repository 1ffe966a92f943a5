// SPDX-License-Identifier: BSL-1.0
// Bytes that are no pickles of plain data: damaged, hostile, or of something else.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <string_view>

#include "pickle_program.hpp"

namespace mp = multiprocessing;
using mp::Object;
using mp::test::four_bytes;
using mp::test::pickled;
using mp::test::program;
using mp::test::refusal;
using mp::test::repeated;
using mp::test::unpickled;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

TEST(PickleRefusalTest, WhatIsNotPlainDataIsRefusedWithItsName) {
  EXPECT_REFUSED(
      "\x80\x02"
      "cos\nsystem\nX\x02\x00\x00\x00ls\x85R."s,
      "'os.system'");
  EXPECT_REFUSED(program("\x8c\x0b"
                         "collections\x8c\x0bOrderedDict\x93)R"),
                 "'collections.OrderedDict'");
  EXPECT_REFUSED(program("cbuiltins\neval\n"), "'builtins.eval'");
  EXPECT_REFUSED(program("\x8c\x05posix\x8c\x06system\x93\x8c\x02ls\x85R"), "'posix.system'");
  EXPECT_REFUSED(program("}\x81"), "NEWOBJ");
  EXPECT_REFUSED(program("Pid\n"), "PERSID");
  EXPECT_REFUSED(program("NQ"), "BINPERSID");
  EXPECT_REFUSED(program("\x82\x01"), "EXT1");
  EXPECT_REFUSED(program("]}b"), "BUILD");
  EXPECT_REFUSED(program("(ios\nsystem\n"), "INST");
  EXPECT_REFUSED(program("\x97"), "NEXT_BUFFER");
  EXPECT_REFUSED(program("NN\x92"), "NEWOBJ_EX");
}

TEST(PickleRefusalTest, EveryOperationThatPlainDataDoesNotNeedIsRefusedByItsName) {
  const std::map<char, std::string> names{{'0', "POP"},
                                          {'1', "POP_MARK"},
                                          {'2', "DUP"},
                                          {'F', "FLOAT"},
                                          {'I', "INT"},
                                          {'L', "LONG"},
                                          {'S', "STRING"},
                                          {'T', "BINSTRING"},
                                          {'U', "SHORT_BINSTRING"},
                                          {'V', "UNICODE"},
                                          {'P', "PERSID"},
                                          {'Q', "BINPERSID"},
                                          {'b', "BUILD"},
                                          {'d', "DICT"},
                                          {'g', "GET"},
                                          {'i', "INST"},
                                          {'l', "LIST"},
                                          {'o', "OBJ"},
                                          {'p', "PUT"},
                                          {'\x81', "NEWOBJ"},
                                          {'\x82', "EXT1"},
                                          {'\x83', "EXT2"},
                                          {'\x84', "EXT4"},
                                          {'\x92', "NEWOBJ_EX"},
                                          {'\x97', "NEXT_BUFFER"},
                                          {'\x98', "READONLY_BUFFER"}};
  for (const auto& [op, name] : names)
    EXPECT_REFUSED(program("N" + std::string(1, op)), "the operation " + name + ",");
}

TEST(PickleRefusalTest, AnInvisibleByteInANameIsPrintedAsSuch) {
  EXPECT_REFUSED(program("c\x1b[31m\nx\n"), "'\\x1b[31m.x'");
}

TEST(PickleRefusalTest, WhatMayBeNamedIsNotAValue) {
  EXPECT_REFUSED(program("cbuiltins\nset\n"), "function or class");
  EXPECT_REFUSED(program("]cbuiltins\nset\na"), "function or class");
  EXPECT_REFUSED(program("cbuiltins\nset\n\x85"), "function or class");
  EXPECT_REFUSED(program("cbuiltins\nset\n)R"), "made of something");
  EXPECT_REFUSED(program("cbuiltins\nset\nNR"), "no tuple");
  EXPECT_REFUSED(program("cbuiltins\nset\nK\x01\x85R"), "made of something");
  EXPECT_REFUSED(program("cbuiltins\nbytes\nK\x01\x85R"), "made of something");
  EXPECT_REFUSED(program("c_codecs\nencode\nX\x03\x00\x00\x00\xe2\x82\xac\x8c\x06latin1\x86R"s),
                 "Latin-1");
  EXPECT_REFUSED(program("c_codecs\nencode\n\x8c\x01x\x8c\x05utf-8\x86R"), "made of something");
  EXPECT_REFUSED(program("K\x01)R"), "to be called");
  EXPECT_REFUSED(program("K\x01\x8c\x01x\x93"), "no str");
}

TEST(PickleRefusalTest, AnIntOfMoreThan64BitsIsRefused) {
  EXPECT_REFUSED(program("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00"s), "64 bits");
  EXPECT_REFUSED(program("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\x7f\xff"), "64 bits");
  EXPECT_REFUSED(program("\x8b\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"s), "64 bits");
  EXPECT_EQ(unpickled(program("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\xff")).repr(), "-1");
  EXPECT_EQ(unpickled(program("\x8a\x00"s)).repr(), "0");
}

TEST(PickleRefusalTest, AValueThatContainsItselfIsRefused) {
  EXPECT_REFUSED(program("]\x94h\x00"
                         "a"s),
                 "contains itself");
  EXPECT_REFUSED(program("]\x94(h\x00K\x01"
                         "e"s),
                 "contains itself");
  EXPECT_REFUSED(program("}\x94K\x01h\x00s"s), "contains itself");
  EXPECT_REFUSED(program("]\x94h\x00\x85\x94"
                         "a"s),
                 "contains itself");
  EXPECT_REFUSED(program("(]\x94h\x00K\x01"
                         "ae"s),
                 "changed after");
}

TEST(PickleRefusalTest, TextThatIsNotUtf8IsRefusedOnBothWays) {
  EXPECT_REFUSED(program("\x8c\x02"
                         "a\xff"),
                 "UTF-8");
  EXPECT_REFUSED(program("\x8c\x02\xc0\x80"), "UTF-8");
  EXPECT_REFUSED(program("\x8c\x09"
                         "12345678\xe2"),
                 "UTF-8");
  EXPECT_REFUSED(program("\x8c\x04\xf4\x90\x80\x80"), "UTF-8");
  EXPECT_THROW(pickled("caf\xe9"), mp::ValueError);
  EXPECT_THROW(pickled("a longer text, and then caf\xe9"), mp::ValueError);
  EXPECT_THROW(pickled(Object::dict({{"\xff", 1}})), mp::ValueError);
}

TEST(PickleRefusalTest, SurrogatesAreCharactersOfThreeBytes) {
  EXPECT_EQ(unpickled(program("\x8c\x03\xed\xa0\x80")), Object("\xed\xa0\x80"));
  EXPECT_EQ(pickled("\xed\xbf\xbf"), program("\x8c\x03\xed\xbf\xbf"));
}

TEST(PickleRefusalTest, NestsThousandLevelsAndNotOneMore) {
  EXPECT_NO_THROW(unpickled(program(repeated("]", 1000) + repeated("a", 999))));
  EXPECT_REFUSED(program(repeated("]", 1001) + repeated("a", 1000)), "1000 levels");
  EXPECT_REFUSED(program("N" + repeated("\x85", 100000)), "1000 levels");
  Object deep;
  for (int i = 0; i < 1000; ++i) deep = Object::tuple({deep});
  EXPECT_EQ(unpickled(pickled(deep)), deep);
  EXPECT_THROW(pickled(Object::tuple({deep})), mp::RuntimeError);
}

TEST(PickleRefusalTest, WhatCannotBeAKeyIsRefused) {
  EXPECT_REFUSED(program("}]K\x01s"), "unhashable");
  EXPECT_REFUSED(program("\x8f(]\x90"), "unhashable");
  EXPECT_REFUSED(program("(}\x91"), "unhashable");
  EXPECT_REFUSED(program("}(K\x01u"), "no value");
}

TEST(PickleRefusalTest, AnnouncedLengthsAreComparedWithWhatIsThere) {
  for (const std::string& body :
       {"\x8c\xff"s, "X\xff\xff\xff\xff"s, "\x8d\xff\xff\xff\xff\xff\xff\xff\xff"s, "C\xff"s,
        "B\xff\xff\xff\x7f"s, "\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"s,
        "\x96\xff\xff\xff\xff\xff\xff\xff\xff"s, "\x8a\xff"s, "\x8b\xff\xff\xff\x7f"s,
        "\x95\xff\xff\xff\xff\xff\xff\xff\xff"s, "J\x01"s, "G\x01"s, "\x95\x01"s, "K"s})
    EXPECT_REFUSED("\x80\x04" + body, "announced");
}

TEST(PickleRefusalTest, AMemoThatIsNotFilledInOrderIsRefused) {
  EXPECT_REFUSED(program("Nr\xff\xff\xff\xff"), "memorised");
  EXPECT_REFUSED(program("Nq\x01"), "memorised");
  EXPECT_REFUSED(program("h\x00"s), "referred");
  EXPECT_REFUSED(program("j" + four_bytes(7)), "referred");
  EXPECT_REFUSED(program("\x94"), "takes more values");
  EXPECT_REFUSED(program("]\x94\x94"), "memorised twice");
  EXPECT_REFUSED(program("]\x94Nq\x00"s), "in the place of another");
}

TEST(PickleRefusalTest, OperationsThatDoNotFitTheStackAreRefused) {
  EXPECT_REFUSED(program(""), "left at its end");
  EXPECT_REFUSED(program("NN"), "left at its end");
  EXPECT_REFUSED(program("N("), "left at its end");
  EXPECT_REFUSED(program("Ne"), "no MARK");
  EXPECT_REFUSED(program("a"), "takes more values");
  EXPECT_REFUSED(program("Na"), "takes more values");
  EXPECT_REFUSED(program("NNa"), "added to a NoneType");
  EXPECT_REFUSED(program("}Na"), "added to a dict");
  EXPECT_REFUSED(program("(Ne"), "takes more values");
  EXPECT_REFUSED(program("](a"), "takes more values");
  EXPECT_REFUSED(program("N(\x85"), "takes more values");
  EXPECT_REFUSED(program("]NNs"), "added to a list");
  EXPECT_REFUSED(program("](N\x90"), "added to a list");
}

TEST(PickleRefusalTest, WhatIsNoPickleOfProtocolsTwoToFiveIsRefused) {
  EXPECT_REFUSED("", "announced");
  EXPECT_REFUSED("I01\n.", "protocol 2");
  EXPECT_REFUSED("\x80\x01N.", "protocol 1");
  EXPECT_REFUSED("\x80\x06N.", "protocol 6");
  EXPECT_REFUSED(program("I01\n"), "INT");
  EXPECT_REFUSED(program("\xff"), "no operation 0xff");
  EXPECT_REFUSED("\x80\x04N", "announced");
  EXPECT_REFUSED("\x80\x04N.N", "follow");
  EXPECT_REFUSED(program("cos"), "in a line");
}

// (), then t = (t, t) as many times, each memorised, in a list; an operation that takes them back.
std::pair<std::string, std::string> doubled(int times) {
  std::string tuples =
      "(]("
      ")\x94";
  const auto get = [](int i) { return "h" + std::string(1, static_cast<char>(i)); };
  for (int i = 0; i < times; ++i) tuples += get(i) + get(i) + "\x86\x94";
  return {tuples + "e", get(times)};
}

TEST(PickleRefusalTest, ATupleThatUnfoldsForLongIsAValueAndNoKey) {
  const auto [tuples, last] = doubled(19);
  EXPECT_NO_THROW(unpickled(program(tuples + last + "t")));
  EXPECT_REFUSED(program(tuples + "}" + last + "Nst"), "too long");
  EXPECT_REFUSED(program(tuples + "(" + last + "\x91t"), "too long");
}

TEST(PickleRefusalTest, WhatUnfoldsWithoutEndIsRefused) {
  EXPECT_REFUSED(program(doubled(60).first + "t"), "refers to its values so often");
  EXPECT_REFUSED(program(doubled(100).first + "t"), "refers to its values so often");
  // A list of as many references to a text of 64 KiB.
  const std::string text = "X" + four_bytes(65536) + std::string(65536, 'x') + "\x94";
  EXPECT_NO_THROW(unpickled(program("](" + text + repeated("h\x00"s, 1000) + "e")));
  EXPECT_REFUSED(program("](" + text + repeated("h\x00"s, 10000) + "e"),
                 "refers to its values so often");
  EXPECT_REFUSED(program("(](" + text + "e\x94" + repeated("h\x01"s, 10000) + "t"),
                 "refers to its values so often");
}

std::string int_key(std::uint64_t n) {
  std::string bytes("\x8a\x08");
  return bytes.append(reinterpret_cast<const char*>(&n), sizeof n);
}

TEST(PickleRefusalTest, KeysThatAreChosenToCollideAreRefused) {
  // Nan equals nothing, and nans have one hash.
  const std::string nan = "G\x7f\xf8\x00\x00\x00\x00\x00\x00"s;
  EXPECT_NO_THROW(unpickled(program("\x8f(" + repeated(nan, 1000) + "\x90")));
  EXPECT_REFUSED(program("\x8f(" + repeated(nan, 100000) + "\x90"), "too long");
  EXPECT_REFUSED(program("}(" + repeated(nan + "N", 100000) + "u"), "too long");
  // The table multiplies by 0x9e3779b97f4a7c15: multiples of its inverse are all in one place.
  std::uint64_t inverse = 1;
  for (int i = 0; i < 6; ++i) inverse *= 2 - 0x9e3779b97f4a7c15U * inverse;
  std::string crafted;
  std::string usual;
  for (std::uint64_t i = 1; crafted.size() < 1000000; ++i) {
    if (const std::uint64_t key = i * inverse; key < (std::uint64_t{1} << 61) - 1)
      crafted += int_key(key);
    usual += int_key(i << 20);
  }
  EXPECT_REFUSED(program("\x8f(" + crafted + "\x90"), "too long");
  EXPECT_NO_THROW(unpickled(program("\x8f(" + usual + "\x90")));
}

TEST(PickleRefusalTest, ADictOfManyOperationsGrowsAsFastAsOfOne) {
  std::string one = "}(";
  std::string many = "}";
  for (std::uint64_t i = 0; i < 200000; ++i) {
    one += int_key(i) + "N";
    many += int_key(i) + "Ns";
  }
  const auto seconds = [](const std::string& bytes) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(unpickled(bytes).size(), 200000);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  // Copying the table for each key takes a thousand times as long.
  EXPECT_LT(seconds(program(many)), 30 * seconds(program(one + "u")) + 1);
}

TEST(PickleRefusalTest, EveryCutAndEveryFlippedBitIsReadOrRefused) {
  const std::string whole =
      pickled(Object::list({Object::dict({{"name", 1.5}, {"key", Object::set({1, "a"})}}),
                            Object::tuple({1, 2, 3, 4}), Object::bytes("bytes"), INT64_MIN,
                            Object::frozenset({Object::tuple({1})}), std::string(20, 'x')}));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_THROW(unpickled(whole.substr(0, i)), mp::ValueError);
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ 1 << bit);
      static_cast<void>(refusal(damaged));
    }
  }
}

TEST(PickleRefusalTest, RandomProgramsAreReadOrRefused) {
  constexpr std::string_view kOps =
      "(.N\x88\x89K\x01]ae)\x85\x86\x87t}su\x8f\x90\x91\x94h\x00h\x01q\x00"
      "cbuiltins\nset\n\x93R\x8c\x01x"sv;
  std::mt19937 random(20240607);
  for (int round = 0; round < 100000; ++round) {
    std::string body;
    for (auto n = random() % 40; n > 0; --n) body += kOps[random() % kOps.size()];
    static_cast<void>(refusal(program(body)));
  }
}

}  // namespace
