// SPDX-License-Identifier: BSL-1.0
// The operations of Python's pickle machine, of which a pickle is the program.
#pragma once
#include <cstdint>

namespace multiprocessing::wire {

/// Those that CPython writes for plain data by protocols 2 to 5. Numbers that follow one are
/// little-endian, save the double of kBinFloat.
enum PickleOp : std::uint8_t {
  kMark = '(',
  kStop = '.',
  kProto = 0x80,
  kFrame = 0x95,

  kNone = 'N',
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kBinFloat = 'G',

  kBinUnicode = 'X',
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kBinBytes8 = 0x8e,
  kByteArray8 = 0x96,

  kEmptyList = ']',
  kAppend = 'a',
  kAppends = 'e',
  kEmptyTuple = ')',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kTuple = 't',
  kEmptyDict = '}',
  kSetItem = 's',
  kSetItems = 'u',
  kEmptySet = 0x8f,
  kAddItems = 0x90,
  kFrozenSet = 0x91,

  kBinPut = 'q',
  kLongBinPut = 'r',
  kMemoize = 0x94,
  kBinGet = 'h',
  kLongBinGet = 'j',

  kGlobal = 'c',
  kStackGlobal = 0x93,
  kReduce = 'R',
};

/// What CPython calls an operation that is not among these; null if it has none like it.
[[nodiscard]] const char* refused_op_name(std::uint8_t op) noexcept;

}  // namespace multiprocessing::wire
