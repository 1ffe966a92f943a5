// SPDX-License-Identifier: BSL-1.0
// A list in a block, laid out as CPython's ShareableList is, in native byte order:
//
//   n:i64 ends:i64[n + 1] data formats:char[8][n] codes:i8[n]
//
// ends are where the elements begin within data, and where the last one ends. A format is what
// Python's struct module calls what is there; a code says what is made of it.
#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <multiprocessing/detail/object_access.hpp>
#include <multiprocessing/errors.hpp>
#include <ostream>

#include "sharedctypes/shared_block.hpp"
#include "wire/utf8.hpp"

namespace multiprocessing {
namespace detail {
namespace {

constexpr std::size_t kUnit = 8;
constexpr std::size_t kFormatMax = 8;
constexpr std::string_view kIntFormat = "q";
constexpr std::string_view kFloatFormat = "d";
constexpr std::string_view kBoolFormat = "xxxxxxx?";
constexpr std::size_t kBoolAt = 7;
constexpr std::string_view kNoneFormat = "xxxxxx?x";

enum class Code : std::int8_t { kAsItIs, kStr, kBytes, kNone };

/// What an element becomes in the block.
struct Element {
  std::string data;    // without the zeros that fill its place
  std::string format;  // of a str or bytes: empty, for its place decides
  Code code = Code::kAsItIs;
};

template <class T> std::string as_bytes_of(T number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

Element element_of(const Object& value) {
  switch (value.kind()) {
    case ObjectKind::kNone:
      return {std::string(kUnit, '\0'), std::string(kNoneFormat), Code::kNone};
    case ObjectKind::kBool: {
      std::string data(kUnit, '\0');
      data[kBoolAt] = value.as<bool>() ? '\1' : '\0';
      return {std::move(data), std::string(kBoolFormat), Code::kAsItIs};
    }
    case ObjectKind::kInt:
      return {as_bytes_of(value.as<std::int64_t>()), std::string(kIntFormat), Code::kAsItIs};
    case ObjectKind::kFloat:
      return {as_bytes_of(value.as<double>()), std::string(kFloatFormat), Code::kAsItIs};
    case ObjectKind::kStr:
      return {std::string(ObjectAccess::text(value)), "", Code::kStr};
    case ObjectKind::kBytes:
      return {std::string(ObjectAccess::text(value)), "", Code::kBytes};
    default:
      throw TypeError(fmt::format(
          "ShareableList: an element cannot be a {}, only None, bool, int, float, str or bytes",
          value.type_name()));
  }
}

std::size_t place_size(const Element& element) {
  return element.format.empty() ? (element.data.size() / kUnit + 1) * kUnit : kUnit;
}

std::string text_format(std::size_t bytes) {
  std::string format = fmt::format("{}s", bytes);
  if (format.size() > kFormatMax) {
    throw ValueError(
        fmt::format("ShareableList: an element of {} bytes is too long; put it into a "
                    "SharedMemory of its own",
                    bytes));
  }
  return format;
}

void append(std::vector<std::byte>& to, std::string_view bytes, std::size_t size) {
  const auto* const begin = reinterpret_cast<const std::byte*>(bytes.data());
  to.insert(to.end(), begin, begin + bytes.size());
  to.resize(to.size() + size - bytes.size());
}

std::string_view without_zeros(std::string_view text) {
  return text.substr(0, text.find_last_not_of('\0') + 1);
}

}  // namespace

std::vector<std::byte> list_bytes(const Object& items) {
  std::vector<Element> elements;
  for (const Object& item : items) elements.push_back(element_of(item));
  std::vector<std::byte> bytes;
  append(bytes, as_bytes_of(static_cast<std::int64_t>(elements.size())), kUnit);
  std::int64_t end = 0;
  append(bytes, as_bytes_of(end), kUnit);
  for (Element& element : elements) {
    const std::size_t size = place_size(element);
    if (element.format.empty()) element.format = text_format(size);
    end += static_cast<std::int64_t>(size);
    append(bytes, as_bytes_of(end), kUnit);
  }
  for (const Element& element : elements) {
    const bool text = element.code == Code::kStr || element.code == Code::kBytes;
    append(bytes, element.data, text ? (element.data.size() / kUnit + 1) * kUnit : kUnit);
  }
  for (const Element& element : elements) append(bytes, element.format, kFormatMax);
  for (const Element& element : elements) bytes.push_back(static_cast<std::byte>(element.code));
  return bytes;
}

SharedList::SharedList(SharedMemory block) : block_(std::move(block)) {
  const std::span<const std::byte> bytes = block_.buf();
  const auto number = [&](std::size_t i) {
    std::int64_t value = 0;
    std::memcpy(&value, bytes.data() + i * kUnit, kUnit);
    return value;
  };
  const auto fail = [&](std::string_view why) {
    throw ValueError(fmt::format("ShareableList {}: the block holds no list, or only a part: {}",
                                 Object(block_.name()).repr(), why));
  };
  if (bytes.size() < 2 * kUnit) fail(fmt::format("it has {} bytes", bytes.size()));
  const std::int64_t announced = number(0);
  // Each takes a unit for where it begins, one for its data, one for its format, and a code.
  const auto most = static_cast<std::int64_t>((bytes.size() - 2 * kUnit) / (3 * kUnit + 1));
  if (announced < 0 || announced > most)
    fail(fmt::format("it has {} bytes and {} elements", bytes.size(), announced));
  const auto n = static_cast<std::size_t>(announced);
  const std::size_t data_at = (n + 2) * kUnit;
  const std::size_t data_max = bytes.size() - data_at - n * (kFormatMax + 1);
  for (std::size_t i = 0; i <= n; ++i) {
    const std::int64_t end = number(i + 1);
    const std::size_t before = i == 0 ? 0 : places_.back() - data_at + kUnit;
    if (end < 0 || static_cast<std::size_t>(end) < before ||
        static_cast<std::size_t>(end) > data_max)
      fail(fmt::format("element {} lies outside of it", i));
    places_.push_back(data_at + static_cast<std::size_t>(end));
  }
}

std::size_t SharedList::checked(std::int64_t position, std::string_view action) const {
  const auto n = static_cast<std::int64_t>(size());
  const std::int64_t found = position < 0 ? position + n : position;
  if (found < 0 || found >= n) {
    throw IndexError(fmt::format("ShareableList {}: element {} cannot be {}, it has {}",
                                 Object(block_.name()).repr(), position, action, n));
  }
  return static_cast<std::size_t>(found);
}

std::span<std::byte> SharedList::place(std::size_t position) const {
  return block_.buf().subspan(places_[position], places_[position + 1] - places_[position]);
}

std::byte* SharedList::format_at(std::size_t position) const {
  return block_.buf().data() + places_.back() + position * kFormatMax;
}

std::byte* SharedList::code_at(std::size_t position) const { return format_at(size()) + position; }

std::string SharedList::format(std::size_t position) const {
  char text[kFormatMax];
  std::memcpy(text, format_at(position), sizeof text);
  return std::string(without_zeros({text, sizeof text}));
}

void SharedList::fail_element(std::size_t position) const {
  throw ValueError(fmt::format("ShareableList {}: element {} was overwritten with something else",
                               Object(block_.name()).repr(), position));
}

Object SharedList::get(std::int64_t given) const {
  const std::size_t position = checked(given, "read");
  const std::span<const std::byte> data = place(position);
  const std::string format = this->format(position);
  const auto code = static_cast<Code>(*code_at(position));
  if (code == Code::kNone) return nullptr;
  if (code == Code::kAsItIs && format == kBoolFormat) return data[kBoolAt] != std::byte{0};
  if (code == Code::kAsItIs && (format == kIntFormat || format == kFloatFormat)) {
    std::int64_t number = 0;
    std::memcpy(&number, data.data(), sizeof number);
    return format == kIntFormat ? Object(number) : Object(std::bit_cast<double>(number));
  }
  std::size_t n = 0;
  const char* const end = format.data() + format.size();
  const auto [after, error] = std::from_chars(format.data(), end, n);
  if (error != std::errc() || after + 1 != end || *after != 's' || n > data.size())
    fail_element(position);
  const std::string_view text(reinterpret_cast<const char*>(data.data()), n);
  if (code == Code::kAsItIs) return Object::bytes(text);
  const std::string_view kept = without_zeros(text);
  if (code == Code::kBytes) return Object::bytes(kept);
  if (code != Code::kStr || wire::find_invalid(kept) != kept.size()) fail_element(position);
  return kept;
}

void SharedList::set(std::int64_t given, const Object& value) {
  const std::size_t position = checked(given, "assigned to");
  Element element = element_of(value);
  const std::span<std::byte> data = place(position);
  if (element.data.size() > data.size()) {
    throw ValueError(fmt::format(
        "ShareableList {}: element {} has room for {} bytes, {} were given; the places are as "
        "large as what was in them at first",
        Object(block_.name()).repr(), position, data.size(), element.data.size()));
  }
  if (element.format.empty()) {
    element.format = text_format(data.size());
    element.data.resize(data.size());
  }
  element.format.resize(kFormatMax);
  std::memcpy(format_at(position), element.format.data(), kFormatMax);
  *code_at(position) = static_cast<std::byte>(element.code);
  std::memcpy(data.data(), element.data.data(), element.data.size());
}

}  // namespace detail

using detail::SharedMemoryAccess;

ShareableList::ShareableList(std::initializer_list<Object> items,
                             const std::optional<std::string>& name)
    : ShareableList(MakeTag(), Object(Object::List(items)), name) {}

ShareableList::ShareableList(MakeTag /*tag*/, const Object& items,
                             const std::optional<std::string>& name) {
  const auto bytes = detail::list_bytes(items);
  list_ = std::make_shared<detail::SharedList>(
      SharedMemoryAccess::make({.name = name, .size = bytes.size(), .contents = bytes}));
}

ShareableList::ShareableList(const std::string& name)
    : list_(std::make_shared<detail::SharedList>(SharedMemory(name))) {}

std::size_t ShareableList::size() const noexcept { return list_->size(); }
Object ShareableList::operator[](std::int64_t position) const { return list_->get(position); }
ShareableList::Item ShareableList::operator[](std::int64_t position) { return {*this, position}; }
ShareableList::Iterator ShareableList::begin() const noexcept { return {*this, 0}; }
ShareableList::Iterator ShareableList::end() const noexcept {
  return {*this, static_cast<std::int64_t>(size())};
}

std::size_t ShareableList::count(const Object& value) const {
  std::size_t n = 0;
  for (const Object& item : *this) n += item == value ? 1U : 0U;
  return n;
}

std::size_t ShareableList::index(const Object& value) const {
  std::size_t position = 0;
  for (const Object& item : *this) {
    if (item == value) return position;
    ++position;
  }
  throw ValueError(
      fmt::format("ShareableList {}: {} is not in it", Object(shm().name()).repr(), value.repr()));
}

std::string ShareableList::format() const {
  std::string all;
  for (std::size_t i = 0; i < size(); ++i) all += list_->format(i);
  return all;
}

const SharedMemory& ShareableList::shm() const noexcept { return list_->block(); }
SharedMemory& ShareableList::shm() noexcept { return list_->block(); }

std::string ShareableList::repr() const {
  Object::List items;
  for (Object item : *this) items.push_back(std::move(item));
  return fmt::format("ShareableList({}, name={})", Object(std::move(items)).repr(),
                     Object(shm().name()).repr());
}
std::ostream& operator<<(std::ostream& out, const ShareableList& list) {
  return out << list.repr();
}

ShareableList::Item& ShareableList::Item::operator=(const Object& value) {
  SharedMemoryAccess::list(list_).set(position_, value);
  return *this;
}
std::ostream& operator<<(std::ostream& out, const ShareableList::Item& item) {
  return out << item.repr();
}

}  // namespace multiprocessing

fmt::format_context::iterator fmt::formatter<multiprocessing::ShareableList>::format(
    const multiprocessing::ShareableList& list, fmt::format_context& context) const {
  return fmt::formatter<fmt::string_view>::format(list.repr(), context);
}
