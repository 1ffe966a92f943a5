// SPDX-License-Identifier: BSL-1.0
// How an Object lies in memory: making, copying, sharing and destroying it.
#include <array>
#include <cstring>
#include <multiprocessing/detail/type_name.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>

#include "wire/object_rep.hpp"

namespace multiprocessing {

static_assert(sizeof(Object) == 16);

Object& Object::operator=(const Object& other) & noexcept {
  Object copy(other);  // first: `other` may be an element of what this holds
  std::swap(bits_, copy.bits_);
  return *this;
}

Object& Object::operator=(Object&& other) & noexcept {
  Object moved(std::move(other));
  std::swap(bits_, moved.bits_);
  return *this;
}

void Object::retain() const noexcept {
  detail::ObjectAccess::number<detail::ObjectRep*>(*this)->references.fetch_add(
      1, std::memory_order_relaxed);
}

void Object::release() noexcept {
  auto* rep = detail::ObjectAccess::number<detail::ObjectRep*>(*this);
  if (rep->let_go()) detail::ObjectAccess::destroy(rep);
}

Object Object::list(std::initializer_list<Object> items) {
  return detail::ObjectAccess::make(List(items));
}
Object Object::tuple(std::initializer_list<Object> items) {
  return detail::ObjectAccess::make(Tuple(items));
}
Object Object::set(std::initializer_list<Object> items) {
  return detail::ObjectAccess::make(Set(items));
}
Object Object::frozenset(std::initializer_list<Object> items) {
  return detail::ObjectAccess::make(FrozenSet(items));
}
Object Object::dict(std::initializer_list<std::pair<Object, Object>> items) {
  return detail::ObjectAccess::make(Dict(items));
}
Object Object::bytes(std::string_view bytes) {
  return detail::ObjectAccess::make_bytes(std::as_bytes(std::span(bytes)));
}

namespace detail {
namespace {

void delete_rep(ObjectRep* rep) noexcept {
  switch (rep->kind) {
    case ObjectKind::kStr:
      delete static_cast<ObjectRepOf<std::string>*>(rep);
      break;
    case ObjectKind::kBytes:
      delete static_cast<ObjectRepOf<std::vector<std::byte>>*>(rep);
      break;
    case ObjectKind::kList:
      delete static_cast<ObjectRepOf<Object::List>*>(rep);
      break;
    case ObjectKind::kTuple:
      delete static_cast<ObjectRepOf<ObjectTuple>*>(rep);
      break;
    case ObjectKind::kDict:
      delete static_cast<ObjectRepOf<ObjectDict>*>(rep);
      break;
    case ObjectKind::kSet:
      delete static_cast<ObjectRepOf<ObjectSet>*>(rep);
      break;
    case ObjectKind::kFrozenSet:
      delete static_cast<ObjectRepOf<ObjectFrozenSet>*>(rep);
      break;
    case ObjectKind::kHandle:
      delete static_cast<ObjectRepOf<HeldPointer>*>(rep);
      break;
    case ObjectKind::kNone:
    case ObjectKind::kBool:
    case ObjectKind::kInt:
    case ObjectKind::kFloat:
      break;  // are never shared
  }
}

}  // namespace

template <class V> Object ObjectAccess::share(Object::Kind kind, V&& value) {
  return shared(kind, new ObjectRepOf<V>(kind, std::forward<V>(value)));
}

template <class V> V& ObjectAccess::own(Object& o) {
  // acquire: pairs with the release of the other references; their reads are over.
  if (rep(o)->references.load(std::memory_order_acquire) != 1)
    o = share(o.kind(), V(value_of<V>(*rep(o))));
  return value_of<V>(*rep(o));
}

Object ObjectAccess::make_short(Object::Kind kind, std::string_view text) noexcept {
  std::array<char, 2 * sizeof(std::uint64_t)> room{};
  if (!text.empty()) std::memcpy(room.data(), text.data(), text.size());
  ShortWords words;
  std::memcpy(&words.low, room.data(), sizeof words.low);
  std::memcpy(&words.high, room.data() + sizeof words.low, sizeof words.high);
  return make_short(kind, words, text.size());
}

Object ObjectAccess::make_text(std::string_view text) {
  if (text.size() <= kShortMax) return make_short(Object::Kind::kStr, text);
  return share(Object::Kind::kStr, std::string(text));
}

Object ObjectAccess::make_text(std::string&& text) {
  if (text.size() <= kShortMax) return make_short(Object::Kind::kStr, text);
  return share(Object::Kind::kStr, std::move(text));
}

Object ObjectAccess::make_text(const char* text) {
  if (text == nullptr)
    throw ValueError("cannot make a str of a null const char*; write nullptr for None");
  return make_text(std::string_view(text));
}

Object ObjectAccess::make_bytes(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.size() <= kShortMax) return make_short(Object::Kind::kBytes, text);
  return share(Object::Kind::kBytes, std::vector<std::byte>(bytes.begin(), bytes.end()));
}

Object ObjectAccess::make_bytes(std::vector<std::byte>&& bytes) {
  if (bytes.size() <= kShortMax) return make_bytes(std::span<const std::byte>(bytes));
  return share(Object::Kind::kBytes, std::move(bytes));
}

Object ObjectAccess::make(Object::List&& items) {
  return share(Object::Kind::kList, std::move(items));
}
Object ObjectAccess::make(Object::Tuple&& items) {
  return share(Object::Kind::kTuple, std::move(items));
}
Object ObjectAccess::make(Object::Dict&& items) {
  return share(Object::Kind::kDict, std::move(items));
}
Object ObjectAccess::make(Object::Set&& items) {
  return share(Object::Kind::kSet, std::move(items));
}
Object ObjectAccess::make(Object::FrozenSet&& items) {
  return share(Object::Kind::kFrozenSet, std::move(items));
}

Object ObjectAccess::make(HeldPointer&& handle) {
  return share(Object::Kind::kHandle, std::move(handle));
}

std::string_view ObjectAccess::text(const Object& o) noexcept {
  if (!o.is_shared()) return short_text(o);
  if (o.kind() == Object::Kind::kStr) return value_of<std::string>(*rep(o));
  const auto& bytes = value_of<std::vector<std::byte>>(*rep(o));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

const std::string& ObjectAccess::text(const Object& o, std::string& room) {
  if (o.is_shared()) return value_of<std::string>(*rep(o));
  return room = text(o);
}

const std::vector<std::byte>& ObjectAccess::bytes(const Object& o, std::vector<std::byte>& room) {
  if (o.is_shared()) return value_of<std::vector<std::byte>>(*rep(o));
  const auto short_bytes = std::as_bytes(std::span(text(o)));
  room.assign(short_bytes.begin(), short_bytes.end());
  return room;
}

const Object::List& ObjectAccess::list(const Object& o) noexcept {
  if (o.kind() == Object::Kind::kList) return value_of<Object::List>(*rep(o));
  return value_of<Object::Tuple>(*rep(o));
}
const Object::Tuple& ObjectAccess::tuple(const Object& o) noexcept {
  return value_of<Object::Tuple>(*rep(o));
}
const Object::Dict& ObjectAccess::dict(const Object& o) noexcept {
  return value_of<Object::Dict>(*rep(o));
}
const Object::Set& ObjectAccess::set(const Object& o) noexcept {
  if (o.kind() == Object::Kind::kSet) return value_of<Object::Set>(*rep(o));
  return value_of<Object::FrozenSet>(*rep(o));
}
const Object::FrozenSet& ObjectAccess::frozenset(const Object& o) noexcept {
  return value_of<Object::FrozenSet>(*rep(o));
}

const HeldHandle& ObjectAccess::handle(const Object& o) noexcept {
  return *value_of<HeldPointer>(*rep(o));
}

Object::List& ObjectAccess::own_list(Object& o) {
  if (o.kind() == Object::Kind::kList) return own<Object::List>(o);
  return own<Object::Tuple>(o);
}
Object::Dict& ObjectAccess::own_dict(Object& o) { return own<Object::Dict>(o); }
Object::Set& ObjectAccess::own_set(Object& o) { return own<Object::Set>(o); }

template <class F> void ObjectAccess::for_each_child(ObjectRep& rep, const F& f) noexcept {
  switch (rep.kind) {
    case ObjectKind::kList:
      for (Object& item : value_of<Object::List>(rep)) f(item);
      break;
    case ObjectKind::kTuple:
      for (Object& item : value_of<Object::Tuple>(rep)) f(item);
      break;
    case ObjectKind::kDict:
      for (auto& [item, hash] : value_of<Object::Dict>(rep).table_.entries()) {
        f(item.first);
        f(item.second);
      }
      break;
    case ObjectKind::kSet:
      for (auto& [item, hash] : value_of<Object::Set>(rep).table_.entries()) f(item);
      break;
    case ObjectKind::kFrozenSet:
      for (auto& [item, hash] : value_of<Object::FrozenSet>(rep).table_.entries()) f(item);
      break;
    default:
      break;
  }
}

// Without calling itself for nested values: they may be nested deeper than the stack is.
void ObjectAccess::destroy(ObjectRep* first) noexcept {
  first->next = nullptr;
  for (ObjectRep* todo = first; todo != nullptr;) {
    ObjectRep* const gone = std::exchange(todo, todo->next);
    for_each_child(*gone, [&](Object& child) {
      if (!child.is_shared()) return;
      ObjectRep* const nested = rep(child);
      forget(child);
      if (!nested->let_go()) return;
      nested->next = todo;
      todo = nested;
    });
    delete_rep(gone);
  }
}

void ObjectAccess::fail_type(const Object& o, const std::type_info& wanted) {
  throw TypeError(fmt::format("cannot read the {} as {}", describe(o), readable_name(wanted)));
}

void ObjectAccess::fail_visit(const Object& o) {
  throw TypeError(fmt::format("cannot visit the {}: read it as<…>() what it is", describe(o)));
}

void ObjectAccess::fail_range(const Object& o, const std::type_info& wanted) {
  throw ValueError(fmt::format("the {} does not fit into {}; read it as a wider type", describe(o),
                               readable_name(wanted)));
}

void ObjectAccess::fail_unsigned(std::uint64_t value) {
  throw ValueError(fmt::format(
      "{} does not fit into an Object, whose ints have 64 bits and a sign; send it as a str",
      value));
}

}  // namespace detail
}  // namespace multiprocessing
