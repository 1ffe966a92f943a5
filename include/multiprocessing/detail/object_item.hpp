// SPDX-License-Identifier: BSL-1.0
// What `o[key]` is for an Object that can be changed: the element as it was read, which knows
// where it came from. Read it as an Object; assign to it, or change it, in the same expression:
//
//   o["list"][0] = 1;   o["list"].append(2);   auto x = o["list"];  // x is a value, as a copy is
//
// It is not a reference, because reading what is not there has to be a KeyError and assigning to
// it has not. What is neither read nor assigned to is a KeyError too, from the destructor:
// the statement `o["no such key"];` throws as it does in Python.
#pragma once
#include <multiprocessing/detail/object_containers.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace multiprocessing {

class Object::Item {
 public:
  using message_type = Object;  // what is sent, or kept as an argument

  Item(const Item&) = delete;
  // THROWS: KeyError, see above; never while another one flies.
  ~Item() noexcept(false);  // NOLINT(bugprone-exception-escape): it is meant to

  /// Puts `value` in the place of the element, or adds it to the dict.
  Item&& operator=(Object value) &&;
  Item&& operator=(const Item& other) &&;

  /// The element. By value, so that `const Object& x = o[key];` keeps it.  THROWS: KeyError.
  operator Object() const& { return value(); }
  operator Object() && { return (value(), std::move(value_)); }

  // What an Object can be asked for.
  [[nodiscard]] Object::Kind kind() const { return value().kind(); }
  [[nodiscard]] const char* type_name() const { return value().type_name(); }
  [[nodiscard]] bool is_none() const { return value().is_none(); }
  template <class T> [[nodiscard]] bool is() const { return value().template is<T>(); }
  template <class T> T as() const { return value().template as<T>(); }
  template <class F> decltype(auto) visit(F&& f) const { return value().visit(std::forward<F>(f)); }
  [[nodiscard]] std::string repr() const { return value().repr(); }
  [[nodiscard]] std::string str() const { return value().str(); }
  std::size_t hash() const { return value().hash(); }
  explicit operator bool() const { return static_cast<bool>(value()); }
  std::size_t size() const { return value().size(); }
  bool empty() const { return value().empty(); }
  bool contains(const Object& x) const { return value().contains(x); }
  Object::const_iterator begin() const { return value().begin(); }
  Object::const_iterator end() const { return value().end(); }
  Object at(const Object& key) const { return value().at(key); }
  Object get(const Object& key, Object fallback = nullptr) const {
    return value().get(key, std::move(fallback));
  }
  Object::List keys() const { return value().keys(); }
  Object::List values() const { return value().values(); }
  std::vector<std::pair<Object, Object>> items() const { return value().items(); }
  Object operator[](const Object& key) const& { return value()[key]; }

  // What changes an Object changes the element where it is.
  Item operator[](Object key) &&;
  void append(Object value) && { place().append(std::move(value)); }
  void extend(const Object& items) && { place().extend(items); }
  void insert(std::int64_t index, Object value) && { place().insert(index, std::move(value)); }
  void add(Object value) && { place().add(std::move(value)); }
  void discard(const Object& value) && { place().discard(value); }
  void update(const Object& items) && { place().update(items); }
  Object pop() && { return place().pop(); }
  Object pop(const Object& key) && { return place().pop(key); }
  Object pop(const Object& key, Object fallback) && {
    return place().pop(key, std::move(fallback));
  }
  void erase(const Object& key) && { place().erase(key); }
  void clear() && { place().clear(); }

 private:
  friend class Object;
  Item(Object* root, Item* parent, const Object& container, Object key);
  const Object& value() const;
  Object& container();
  Object& place();

  Object* root_;  // the container, or
  Item* parent_;  // the item that the container is the element of
  Object key_;
  Object value_;    // as it was when this was made; None once it has been handed on
  int exceptions_;  // under way when this was made
  bool missing_ = false;
  mutable bool used_ = false;
};

}  // namespace multiprocessing
