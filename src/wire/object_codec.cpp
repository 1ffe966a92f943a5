// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <algorithm>
#include <multiprocessing/detail/object_codec.hpp>
#include <multiprocessing/errors.hpp>

#include "wire/object_rep.hpp"

namespace multiprocessing::detail {
namespace {

enum Tag : std::uint8_t {
  kTagNone = 0,
  kTagFalse = 1,
  kTagTrue = 2,
  kTagInt = 3,
  kTagFloat = 4,
  kTagStr = 5,
  kTagBytes = 6,
  kTagList = 7,
  kTagTuple = 8,
  kTagDict = 9,
  kTagSet = 10,
  kTagFrozenSet = 11,
  kTagShared = static_cast<std::uint8_t>(HeldHandle::Form::kShared),
  kTagProxy = static_cast<std::uint8_t>(HeldHandle::Form::kProxy),
  kTagShortStr = 0x40,
  kTagSmallInt = 0x90,
};
constexpr std::size_t kShortStrMax = 63;
constexpr std::int64_t kSmallIntMin = -16;
constexpr std::int64_t kSmallIntMax = 111;
constexpr std::uint8_t kFirstSmallInt = 0x80;

/// Appends to a vector as an Encoder does to itself.
class VectorSink {
 public:
  explicit VectorSink(std::vector<std::byte>& out) : out_(out) {}
  void write(const void* data, std::size_t n) {
    const auto* bytes = static_cast<const std::byte*>(data);
    out_.insert(out_.end(), bytes, bytes + n);
  }
  void put(std::uint8_t byte) { out_.push_back(std::byte{byte}); }

 private:
  std::vector<std::byte>& out_;
};

template <class Sink> void write_varint(Sink& out, std::uint64_t value) {
  std::uint8_t bytes[10];
  std::size_t n = 0;
  for (; value >= 0x80; value >>= 7) bytes[n++] = static_cast<std::uint8_t>(value | 0x80);
  bytes[n++] = static_cast<std::uint8_t>(value);
  out.write(bytes, n);
}

template <class Sink> void write_int(Sink& out, std::int64_t value) {
  if (value >= kSmallIntMin && value <= kSmallIntMax)
    return out.put(static_cast<std::uint8_t>(kTagSmallInt + value));
  out.put(std::uint8_t{kTagInt});
  write_varint(out,
               static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
}

template <class Sink> void write_text(Sink& out, std::uint8_t tag, std::string_view text) {
  if (tag == kTagStr && text.size() <= kShortStrMax) {
    out.put(static_cast<std::uint8_t>(kTagShortStr + text.size()));
  } else {
    out.put(tag);
    write_varint(out, text.size());
  }
  out.write(text.data(), text.size());
}

template <class Sink> void write(Sink& out, const Object& o, int depth);

template <class Sink, class Items>
void write_items(Sink& out, std::uint8_t tag, const Items& items, int depth) {
  out.put(tag);
  write_varint(out, items.size());
  for (const Object& item : items) write(out, item, depth);
}

template <class Sink> void write_dict(Sink& out, const Object::Dict& dict, int depth) {
  out.put(std::uint8_t{kTagDict});
  write_varint(out, dict.size());
  for (const auto& [key, value] : dict) {
    write(out, key, depth);
    write(out, value, depth);
  }
}

template <class Sink> void write_handle(Sink& out, const Object& o) {
  if constexpr (std::is_same_v<Sink, Encoder>) {
    const HeldHandle& handle = ObjectAccess::handle(o);
    out.put(handle.form());
    handle.encode(out);
  } else {
    throw TypeError(fmt::format("bytes alone cannot hold the {}", describe(o)));
  }
}

template <class Sink> void write_container(Sink& out, const Object& o, int depth) {
  using Access = ObjectAccess;
  switch (o.kind()) {
    case ObjectKind::kList:
      return write_items(out, kTagList, Access::list(o), depth);
    case ObjectKind::kTuple:
      return write_items(out, kTagTuple, Access::list(o), depth);
    case ObjectKind::kDict:
      return write_dict(out, Access::dict(o), depth);
    case ObjectKind::kSet:
      return write_items(out, kTagSet, Access::set(o), depth);
    case ObjectKind::kHandle:
      return write_handle(out, o);
    default:
      return write_items(out, kTagFrozenSet, Access::set(o), depth);
  }
}

template <class Sink> void write(Sink& out, const Object& o, int depth) {
  switch (o.kind()) {
    case ObjectKind::kNone:
      return out.put(std::uint8_t{kTagNone});
    case ObjectKind::kBool:
      return out.put(std::uint8_t{ObjectAccess::number<bool>(o) ? kTagTrue : kTagFalse});
    case ObjectKind::kInt:
      return write_int(out, ObjectAccess::number<std::int64_t>(o));
    case ObjectKind::kFloat: {
      const auto value = ObjectAccess::number<double>(o);
      out.put(std::uint8_t{kTagFloat});
      return out.write(&value, sizeof value);
    }
    case ObjectKind::kStr:
      return write_text(out, kTagStr, ObjectAccess::text(o));
    case ObjectKind::kBytes:
      return write_text(out, kTagBytes, ObjectAccess::text(o));
    default:
      return write_container(out, o, deeper(depth, "send"));
  }
}

/// Reads one Object after the other.
class Reader {
 public:
  explicit Reader(Decoder& in) : in_(in) {}

  Object read(int depth) {
    const auto tag = in_.take<std::uint8_t>();
    if (tag >= kFirstSmallInt) return ObjectAccess::make(std::int64_t{tag} - kTagSmallInt);
    if (tag >= kTagShortStr) return ObjectAccess::make_text(read_text(tag - kTagShortStr));
    switch (tag) {
      case kTagNone:
        return {};
      case kTagFalse:
        return ObjectAccess::make(false);
      case kTagTrue:
        return ObjectAccess::make(true);
      case kTagInt: {
        const std::uint64_t bits = read_varint();
        return ObjectAccess::make(static_cast<std::int64_t>(bits >> 1 ^ (~(bits & 1) + 1)));
      }
      case kTagFloat:
        return ObjectAccess::make(in_.take<double>());
      case kTagStr:
        return ObjectAccess::make_text(read_text(read_varint()));
      case kTagBytes: {
        const std::string_view bytes = read_text(read_varint());
        return ObjectAccess::make_bytes(std::as_bytes(std::span(bytes)));
      }
      default:
        return read_container(tag, depth);
    }
  }

 private:
  Object read_container(std::uint8_t tag, int depth) {
    if (depth >= kObjectDepthMax)
      fail(fmt::format("it is nested more than {} levels deep", kObjectDepthMax));
    switch (tag) {
      case kTagList:
        return ObjectAccess::make(read_list<Object::List>(depth + 1));
      case kTagTuple:
        return ObjectAccess::make(read_list<Object::Tuple>(depth + 1));
      case kTagDict:
        return ObjectAccess::make(read_dict(depth + 1));
      case kTagSet:
        return ObjectAccess::make(read_set<Object::Set>(depth + 1));
      case kTagFrozenSet:
        return ObjectAccess::make(read_set<Object::FrozenSet>(depth + 1));
      case kTagShared:
        return decode_handle(HeldHandle::Form::kShared, in_);
      case kTagProxy:
        return decode_handle(HeldHandle::Form::kProxy, in_);
      default:
        fail(fmt::format("there is no tag {:#04x}", tag));
    }
  }

  template <class List> List read_list(int depth) {
    const std::size_t n = read_count(1);
    List items;
    items.reserve(n);
    for (std::size_t i = 0; i < n; ++i) items.push_back(read_owed(depth));
    return items;
  }

  Object::Dict read_dict(int depth) {
    const std::size_t n = read_count(2);
    Object::Dict items;
    items.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
      Object key = read_owed(depth);
      Object value = read_owed(depth);
      with_key([&] { items.insert_or_assign(std::move(key), std::move(value)); });
    }
    return items;
  }

  template <class Set> Set read_set(int depth) {
    const std::size_t n = read_count(1);
    Set items;
    items.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
      Object item = read_owed(depth);
      with_key([&] { items.insert(std::move(item)); });
    }
    return items;
  }

  // What cannot be hashed was never a key.
  template <class Insert> void with_key(const Insert& insert) {
    try {
      insert();
    } catch (const Error& error) {
      fail(error.what());
    }
  }

  Object read_owed(int depth) {
    --owed_;
    return read(depth);
  }

  // What is left for the next value, once all that was announced before has its share: nested
  // counts cannot add up to more memory than the input is worth.
  [[nodiscard]] std::size_t left() const {
    return in_.remaining() - std::min(owed_, in_.remaining());
  }

  std::string_view read_text(std::uint64_t length) {
    if (length > left())
      fail(fmt::format("a str or bytes of {} bytes is announced and {} bytes are left", length,
                       left()));
    const std::byte* bytes = in_.view(static_cast<std::size_t>(length));
    return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length)};
  }

  std::size_t read_count(std::size_t bytes_each) {
    const std::uint64_t n = read_varint();
    if (n > left() / bytes_each)
      fail(fmt::format("{} elements are announced and {} bytes are left", n, left()));
    owed_ += static_cast<std::size_t>(n) * bytes_each;
    return static_cast<std::size_t>(n);
  }

  std::uint64_t read_varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = in_.take<std::uint8_t>();
      const std::uint64_t bits = byte & 0x7fU;
      if (shift == 63 && bits > 1) break;
      value |= bits << shift;
      if (byte < 0x80) return value;
    }
    fail("a number has more than 64 bits");
  }

  [[noreturn]] void fail(std::string_view why) const {
    throw ValueError(fmt::format("cannot decode an Object: {} (at byte {})", why, in_.position()));
  }

  Decoder& in_;
  std::size_t owed_ = 0;  // bytes that the elements announced so far need at least
};

}  // namespace

void encode_object(Encoder& out, const Object& o) { write(out, o, 0); }

void encode_object(std::vector<std::byte>& out, const Object& o) {
  VectorSink sink(out);
  write(sink, o, 0);
}

Object decode_object(Decoder& in) { return Reader(in).read(0); }

Object decode_object(std::span<const std::byte>& in) {
  Decoder decoder(in);
  Object o = decode_object(decoder);
  in = in.subspan(decoder.position());
  return o;
}

}  // namespace multiprocessing::detail
