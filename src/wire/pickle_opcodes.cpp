// SPDX-License-Identifier: BSL-1.0
#include "wire/pickle_opcodes.hpp"

#include <algorithm>
#include <iterator>

namespace multiprocessing::wire {
namespace {

struct Named {
  std::uint8_t op;
  const char* name;
};

// Those that plain data does not need; the reader knows the others by itself.
constexpr Named kRefused[] = {
    {'0', "POP"},
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
    {0x81, "NEWOBJ"},
    {0x82, "EXT1"},
    {0x83, "EXT2"},
    {0x84, "EXT4"},
    {0x92, "NEWOBJ_EX"},
    {0x97, "NEXT_BUFFER"},
    {0x98, "READONLY_BUFFER"},
};

}  // namespace

const char* refused_op_name(std::uint8_t op) noexcept {
  const auto* const named = std::ranges::find(kRefused, op, &Named::op);
  return named == std::end(kRefused) ? nullptr : named->name;
}

}  // namespace multiprocessing::wire
