// SPDX-License-Identifier: BSL-1.0
// Objects as pickles of protocol 4, without frames, which are for readers of files.
//
// A key that is a short str is memorised and, where it comes again, referred to: dicts with the
// same keys are what is sent most. Nothing else is: equal values are not the same value, and two
// lists that Python sees as one would change together.
#include <fmt/format.h>

#include <array>
#include <multiprocessing/detail/pickle.hpp>
#include <multiprocessing/errors.hpp>

#include "wire/object_rep.hpp"
#include "wire/pickle_opcodes.hpp"
#include "wire/utf8.hpp"

namespace multiprocessing::wire {

using detail::Encoder;
using detail::ObjectAccess;
using detail::ObjectKind;

namespace {

constexpr std::uint8_t kProtocol = 4;
constexpr std::size_t kOneByteLength = 0xff;
constexpr std::size_t kFourByteLength = 0xffff'ffff;
// What every value but a long str or bytes fits into.
constexpr std::size_t kSmall = 32;

/// The keys that were memorised last.
class KeyMemo {
 public:
  /// The number of the key, or a new one for it, which the caller memorises.
  std::pair<std::uint32_t, bool> find_or_add(std::string_view key) noexcept {
    auto [low, high] = ObjectAccess::short_words(key);
    high |= (key.size() + 1) << 56;
    Entry& entry = entries_[((low ^ (high >> 7)) * 0x9e3779b97f4a7c15U) >> (64 - kBits)];
    if (entry.low == low && entry.high == high) return {entry.number, true};
    entry = {low, high, next_};
    return {next_++, false};
  }

 private:
  static constexpr int kBits = 6;
  struct Entry {
    std::uint64_t low = 0;
    std::uint64_t high = 0;  // with the length + 1; zero: no key
    std::uint32_t number = 0;
  };
  std::array<Entry, std::size_t{1} << kBits> entries_{};
  std::uint32_t next_ = 0;
};

class PickleWriter {
 public:
  explicit PickleWriter(Encoder& out) : out_(out) { make_room(kSmall); }

  void write_whole(const Object& o) {
    put(kProto);
    put(kProtocol);
    write(o, 0);
    make_room(1);
    put(kStop);
    out_.advance(static_cast<std::size_t>(at_ - begin_));
  }

 private:
  void write(const Object& o, int depth) {
    make_room(kSmall);
    switch (o.kind()) {
      case ObjectKind::kNone:
        return put(wire::kNone);
      case ObjectKind::kBool:
        return put(ObjectAccess::number<bool>(o) ? kNewTrue : kNewFalse);
      case ObjectKind::kInt:
        return write_int(ObjectAccess::number<std::int64_t>(o));
      case ObjectKind::kFloat:
        put(kBinFloat);
        return put_number(
            __builtin_bswap64(std::bit_cast<std::uint64_t>(ObjectAccess::number<double>(o))));
      case ObjectKind::kStr:
        return write_str(o);
      case ObjectKind::kBytes:
        return put_text({kShortBinBytes, kBinBytes, kBinBytes8}, ObjectAccess::text(o));
      default:
        return write_container(o, detail::deeper(depth, "send"));
    }
  }

  void write_int(std::int64_t value) {
    if (value >= 0 && value <= 0xff) {
      put(kBinInt1);
      put_number(static_cast<std::uint8_t>(value));
    } else if (value >= 0 && value <= 0xffff) {
      put(kBinInt2);
      put_number(static_cast<std::uint16_t>(value));
    } else if (static_cast<std::int32_t>(value) == value) {
      put(kBinInt);
      put_number(static_cast<std::int32_t>(value));
    } else {
      put(kLong1);
      std::uint8_t n = sizeof value;
      while (value << (64 - 8 * (n - 1)) >> (64 - 8 * (n - 1)) == value) --n;
      put(n);
      std::memcpy(at_, &value, sizeof value);
      at_ += n;
    }
  }

  void write_str(const Object& o) {
    if (ObjectAccess::is_short(o)) return write_short_str(ObjectAccess::short_text(o));
    const std::string_view text = ObjectAccess::text(o);
    check_text(text);
    put_text({kShortBinUnicode, kBinUnicode, kBinUnicode8}, text);
  }

  // There is room for it.
  void write_short_str(std::string_view text) {
    if (!ObjectAccess::short_words(text).is_ascii()) check_text(text);
    put(kShortBinUnicode);
    put(static_cast<std::uint8_t>(text.size()));
    std::memcpy(at_, text.data(), ObjectAccess::kShortMax);
    at_ += text.size();
  }

  void write_container(const Object& o, int depth) {
    switch (o.kind()) {
      case ObjectKind::kList:
        put(kEmptyList);
        return write_items(ObjectAccess::list(o), kAppend, kAppends, depth);
      case ObjectKind::kTuple:
        return write_tuple(ObjectAccess::list(o), depth);
      case ObjectKind::kDict:
        return write_dict(ObjectAccess::dict(o), depth);
      case ObjectKind::kSet:
        put(kEmptySet);
        return write_items(ObjectAccess::set(o), kAddItems, kAddItems, depth);
      case ObjectKind::kHandle:
        throw TypeError(
            fmt::format("a {} has no counterpart in Python: {}", o.type_name(), detail::brief(o)));
      default:
        put(kMark);
        for (const Object& item : ObjectAccess::set(o)) write(item, depth);
        make_room(1);
        return put(kFrozenSet);
    }
  }

  // There is an operation to add a single one, save for a set.
  template <class Items>
  void write_items(const Items& items, PickleOp add_one, PickleOp add_all, int depth) {
    if (items.empty()) return;
    const bool one = items.size() == 1 && add_one != add_all;
    if (!one) put(kMark);
    for (const Object& item : items) write(item, depth);
    make_room(1);
    put(one ? add_one : add_all);
  }

  void write_tuple(const Object::List& items, int depth) {
    if (items.empty()) return put(kEmptyTuple);
    constexpr std::size_t kUnmarked = 3;
    if (items.size() > kUnmarked) put(kMark);
    for (const Object& item : items) write(item, depth);
    make_room(1);
    put(items.size() > kUnmarked ? kTuple : static_cast<PickleOp>(kTuple1 + items.size() - 1));
  }

  void write_dict(const Object::Dict& items, int depth) {
    put(kEmptyDict);
    if (items.empty()) return;
    put(kMark);
    for (const auto& [key, value] : items) {
      if (key.kind() == ObjectKind::kStr && ObjectAccess::is_short(key))
        write_short_key(ObjectAccess::short_text(key));
      else
        write(key, depth);
      write(value, depth);
    }
    make_room(1);
    put(kSetItems);
  }

  void write_short_key(std::string_view key) {
    make_room(kSmall);
    const auto [number, known] = keys_.find_or_add(key);
    if (!known) {
      write_short_str(key);
      put(kMemoize);
    } else if (number <= 0xff) {
      put(kBinGet);
      put_number(static_cast<std::uint8_t>(number));
    } else {
      put(kLongBinGet);
      put_number(number);
    }
  }

  static void check_text(std::string_view text) {
    const std::size_t bad = find_invalid(text);
    if (bad == text.size()) return;
    throw ValueError(
        fmt::format("cannot send a str of {} bytes to Python: it is not UTF-8 from byte {} on; "
                    "send it as mp::Object::bytes",
                    text.size(), bad));
  }

  // Without a look at the room: whoever calls has made some.
  void put(std::uint8_t byte) { *at_++ = static_cast<char>(byte); }
  template <class T> void put_number(T value) {
    std::memcpy(at_, &value, sizeof value);
    at_ += sizeof value;
  }

  // The same, by how many bytes the length takes.
  struct TextOps {
    PickleOp one;
    PickleOp four;
    PickleOp eight;
  };
  void put_text(const TextOps& ops, std::string_view text) {
    if (text.size() <= kOneByteLength) {
      put(ops.one);
      put(static_cast<std::uint8_t>(text.size()));
    } else if (text.size() <= kFourByteLength) {
      put(ops.four);
      put_number(static_cast<std::uint32_t>(text.size()));
    } else {
      put(ops.eight);
      put_number(std::uint64_t{text.size()});
    }
    make_room(text.size());
    if (!text.empty()) std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }

  void make_room(std::size_t n) {
    if (static_cast<std::size_t>(end_ - at_) < n) [[unlikely]]
      grow(n);
  }

  void grow(std::size_t n) {
    if (at_ != begin_) out_.advance(static_cast<std::size_t>(at_ - begin_));
    const std::span<std::byte> room = out_.room_for(n);
    begin_ = at_ = reinterpret_cast<char*>(room.data());
    end_ = begin_ + room.size();
  }

  Encoder& out_;
  char* begin_ = nullptr;  // of what `out_` does not know of
  char* at_ = nullptr;
  char* end_ = nullptr;
  KeyMemo keys_;
};

}  // namespace
}  // namespace multiprocessing::wire

namespace multiprocessing::detail {

void encode_pickle(Encoder& out, const Object& o) { wire::PickleWriter(out).write_whole(o); }

}  // namespace multiprocessing::detail
