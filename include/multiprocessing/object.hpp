// SPDX-License-Identifier: BSL-1.0
// A value whose type is known only at run time: what a Python program would put in a queue.
//
//   mp::Object o = mp::Object::dict({{"name", "Ada"}, {"grades", mp::Object::list({1, 2.5})}});
//   o["name"].as<std::string>();   o["grades"][-1] = 3;   fmt::print("{}\n", o);
//
// It also holds handles of this library, a Queue, a Lock, a manager's proxy: `d["l"] = m.list();`
//
// Values: a copy is independent of its original, as in C++ and unlike in Python. Copies cost the
// same whatever the size: they share until one of them is changed. All copies of a handle name the
// same thing.
// Threads: like the standard containers. Copies in different threads do not disturb each other.
// Depth: values may be nested without limit, but comparing, hashing, printing and sending them
// reaches down 1,000 levels, then it is a RuntimeError, as in Python.
#pragma once
#include <fmt/core.h>
#include <multiprocessing/detail/object_class.hpp>
#include <multiprocessing/detail/object_handle.hpp>
#include <multiprocessing/detail/object_item.hpp>
#include <multiprocessing/detail/object_make.hpp>
#include <multiprocessing/detail/object_read.hpp>

#include <cstddef>
#include <functional>

template <> struct std::hash<multiprocessing::Object> {
  std::size_t operator()(const multiprocessing::Object& o) const { return o.hash(); }
};

/// Prints repr(); width, fill and alignment as for strings.
template <> struct fmt::formatter<multiprocessing::Object> : fmt::formatter<fmt::string_view> {
  fmt::format_context::iterator format(const multiprocessing::Object& o,
                                       fmt::format_context& context) const;
};

template <>
struct fmt::formatter<multiprocessing::Object::Item> : fmt::formatter<multiprocessing::Object> {
  fmt::format_context::iterator format(const multiprocessing::Object::Item& item,
                                       fmt::format_context& context) const {
    return fmt::formatter<multiprocessing::Object>::format(
        static_cast<multiprocessing::Object>(item), context);
  }
};
