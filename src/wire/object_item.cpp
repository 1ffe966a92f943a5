// SPDX-License-Identifier: BSL-1.0
// The element that `o[key]` names. Whatever writes lets go of the value that was read first: as a
// second reference it would make the change copy the whole.
#include <fmt/format.h>

#include <exception>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>

#include "wire/object_rep.hpp"

namespace multiprocessing {

Object::Item Object::operator[](Object key) & { return {this, nullptr, *this, std::move(key)}; }

Object::Item::Item(Object* root, Item* parent, const Object& container, Object key)
    : root_(root), parent_(parent), key_(std::move(key)), exceptions_(std::uncaught_exceptions()) {
  if (container.kind() == Object::Kind::kDict) {
    const Object* value = detail::ObjectAccess::dict(container).find(key_);
    if (value != nullptr) value_ = *value;
    missing_ = value == nullptr;
  } else {
    value_ = container[key_];
  }
  if (parent_ != nullptr) parent_->value_ = Object();
}

// NOLINTNEXTLINE(bugprone-exception-escape): it is meant to
Object::Item::~Item() noexcept(false) {
  if (missing_ && !used_ && std::uncaught_exceptions() == exceptions_) static_cast<void>(value());
}

const Object& Object::Item::value() const {
  used_ = true;
  if (missing_) throw KeyError(fmt::format("the dict has no key {}", detail::brief(key_)));
  return value_;
}

Object::Item Object::Item::operator[](Object key) && {
  return {nullptr, this, value(), std::move(key)};
}

Object& Object::Item::container() { return parent_ != nullptr ? parent_->place() : *root_; }

Object& Object::Item::place() {
  static_cast<void>(value());
  value_ = Object();
  return detail::ObjectAccess::element(container(), key_, false);
}

Object::Item&& Object::Item::operator=(Object value) && {
  used_ = true;
  value_ = Object();
  detail::ObjectAccess::element(container(), key_, true) = value;
  value_ = std::move(value);
  missing_ = false;
  return std::move(*this);
}

// NOLINTNEXTLINE(bugprone-unhandled-self-assignment): it assigns a copy
Object::Item&& Object::Item::operator=(const Item& other) && {
  return std::move(*this) = static_cast<Object>(other);
}

}  // namespace multiprocessing
