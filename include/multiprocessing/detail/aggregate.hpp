// SPDX-License-Identifier: BSL-1.0
// Looks into aggregates: how many members, of which types, and a visit of all of them. The user
// writes no macro; structured bindings do the work, and as they need one name for each member, the
// preprocessor writes the same three lines for 1 to 32 members. No macro is left defined.
#pragma once
#include <cstddef>
#include <type_traits>
#include <utility>

namespace multiprocessing::detail {

template <class... Ts> struct Types {};

/// Aggregates with more members are not looked into.
inline constexpr std::size_t kFieldsMax = 32;

/// Stands for a value of any type, in unevaluated code only.
struct AnyValue {
  template <class U> operator U() const;
};

/// The same for members that are references.
struct AnyLvalue {
  template <class U> operator U&() const;
};

/// Stands for an object of any base class of T.
template <class T> struct AnyBase {
  template <class U>
  requires(std::is_base_of_v<U, T> && !std::is_same_v<U, T>) operator U() const;
};

/// Its members are not all its own, and a structured binding would be an error.
template <class T>
concept HasBaseClass = requires {
  T{AnyBase<T>{}};
};

// A row for each number of members, with as many names.
// clang-format off
#define MULTIPROCESSING_ROWS(X) \
  X(1, a)                                                                                         \
  X(2, a, b)                                                                                      \
  X(3, a, b, c)                                                                                   \
  X(4, a, b, c, d)                                                                                \
  X(5, a, b, c, d, e)                                                                             \
  X(6, a, b, c, d, e, f)                                                                          \
  X(7, a, b, c, d, e, f, g)                                                                       \
  X(8, a, b, c, d, e, f, g, h)                                                                    \
  X(9, a, b, c, d, e, f, g, h, i)                                                                 \
  X(10, a, b, c, d, e, f, g, h, i, j)                                                             \
  X(11, a, b, c, d, e, f, g, h, i, j, k)                                                          \
  X(12, a, b, c, d, e, f, g, h, i, j, k, l)                                                       \
  X(13, a, b, c, d, e, f, g, h, i, j, k, l, m)                                                    \
  X(14, a, b, c, d, e, f, g, h, i, j, k, l, m, n)                                                 \
  X(15, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o)                                              \
  X(16, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                                           \
  X(17, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q)                                        \
  X(18, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r)                                     \
  X(19, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s)                                  \
  X(20, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t)                               \
  X(21, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u)                            \
  X(22, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v)                         \
  X(23, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w)                      \
  X(24, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x)                   \
  X(25, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y)                \
  X(26, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z)             \
  X(27, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A)          \
  X(28, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B)       \
  X(29, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B, C)    \
  X(30, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B,       \
      C, D)                                                                                       \
  X(31, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B,       \
      C, D, E)                                                                                    \
  X(32, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, A, B,       \
      C, D, E, F)

// Applies a macro to every name, up to 64 of them, with commas in between.
#define MULTIPROCESSING_PARENS ()
#define MULTIPROCESSING_AGAIN1(...) __VA_ARGS__
#define MULTIPROCESSING_AGAIN2(...)                               \
  MULTIPROCESSING_AGAIN1(MULTIPROCESSING_AGAIN1(                  \
      MULTIPROCESSING_AGAIN1(MULTIPROCESSING_AGAIN1(__VA_ARGS__))))
#define MULTIPROCESSING_AGAIN3(...)                               \
  MULTIPROCESSING_AGAIN2(MULTIPROCESSING_AGAIN2(                  \
      MULTIPROCESSING_AGAIN2(MULTIPROCESSING_AGAIN2(__VA_ARGS__))))
#define MULTIPROCESSING_AGAIN4(...)                               \
  MULTIPROCESSING_AGAIN3(MULTIPROCESSING_AGAIN3(                  \
      MULTIPROCESSING_AGAIN3(MULTIPROCESSING_AGAIN3(__VA_ARGS__))))
#define MULTIPROCESSING_EACH(M, ...) MULTIPROCESSING_AGAIN4(MULTIPROCESSING_STEP(M, __VA_ARGS__))
#define MULTIPROCESSING_STEP(M, x, ...) \
  M(x) __VA_OPT__(, MULTIPROCESSING_NEXT MULTIPROCESSING_PARENS (M, __VA_ARGS__))
#define MULTIPROCESSING_NEXT() MULTIPROCESSING_STEP
#define MULTIPROCESSING_BRACES(x) {}
#define MULTIPROCESSING_TYPE(x) decltype(x)
// clang-format on

/// Whether a T is built by `{}` for each of its first Braces members, then a Value for each I.
template <class T, std::size_t Braces, class Value, std::size_t... I>
consteval bool built_from(std::index_sequence<I...> /*values*/) {
  if constexpr (Braces == 0) return requires {
      T{(static_cast<void>(I), Value{})...};
    };
#define MULTIPROCESSING_BUILD(n, ...)                              \
  if constexpr (Braces == (n)) return requires {                   \
      T{MULTIPROCESSING_EACH(MULTIPROCESSING_BRACES, __VA_ARGS__), \
        (static_cast<void>(I), Value{})...};                       \
    };
  MULTIPROCESSING_ROWS(MULTIPROCESSING_BUILD)
#undef MULTIPROCESSING_BUILD
  return false;
}

template <class T, std::size_t Braces, std::size_t Values, class Value = AnyValue>
inline constexpr bool kBuiltFrom = Braces + Values <= kFieldsMax + 1 &&
                                   built_from<T, Braces, Value>(std::make_index_sequence<Values>{});

// `{}` takes exactly one member, also a C array, but not one without a default constructor.
template <class T, std::size_t Braces = 0> consteval std::size_t count_braces() {
  if constexpr (Braces < kFieldsMax && kBuiltFrom<T, Braces + 1, 0>) {
    return count_braces<T, Braces + 1>();
  } else {
    return Braces;
  }
}

// The greatest number of values that builds a T; 0 if none does.
template <class T, class Value, std::size_t Values = kFieldsMax + 1>
consteval std::size_t count_values() {
  if constexpr (Values == 0 || kBuiltFrom<T, 0, Values, Value>) {
    return Values;
  } else {
    return count_values<T, Value, Values - 1>();
  }
}

/// How many members the aggregate T has; more than kFieldsMax for any number of them above it, and
/// 0 also where it cannot be told.
template <class T> consteval std::size_t count_fields() {
  if constexpr (requires { T{}; }) {
    constexpr std::size_t kBraces = count_braces<T>();
    // One more than `{}` can reach: too many, or a member with an initialiser of its own.
    return kBuiltFrom<T, kBraces, 1> ? count_values<T, AnyValue>() : kBraces;
  } else {
    constexpr std::size_t kValues = count_values<T, AnyValue>();
    return kValues != 0 ? kValues : count_values<T, AnyLvalue>();
  }
}

template <class T> inline constexpr std::size_t kFields = count_fields<T>();

/// Calls `visitor` with all members of `object`, as lvalues.
template <class T, class Visitor>
constexpr decltype(auto) visit_fields(T& object, Visitor&& visitor) {
  constexpr std::size_t kCount = kFields<std::remove_const_t<T>>;
  if constexpr (kCount == 0) return visitor();
#define MULTIPROCESSING_VISIT(n, ...) \
  if constexpr (kCount == (n)) {      \
    auto& [__VA_ARGS__] = object;     \
    return visitor(__VA_ARGS__);      \
  }
  MULTIPROCESSING_ROWS(MULTIPROCESSING_VISIT)
#undef MULTIPROCESSING_VISIT
}

template <class T> constexpr auto list_field_types(T& object) {
  if constexpr (kFields<T> == 0 || kFields < T >> kFieldsMax) return Types<>{};
#define MULTIPROCESSING_LIST(n, ...)                                         \
  if constexpr (kFields<T> == (n)) {                                         \
    auto& [__VA_ARGS__] = object;                                            \
    return Types<MULTIPROCESSING_EACH(MULTIPROCESSING_TYPE, __VA_ARGS__)>{}; \
  }
  MULTIPROCESSING_ROWS(MULTIPROCESSING_LIST)
#undef MULTIPROCESSING_LIST
}

/// The types of T's members as they are declared, references too.
template <class T> using FieldTypes = decltype(list_field_types(std::declval<T&>()));

#undef MULTIPROCESSING_ROWS
#undef MULTIPROCESSING_PARENS
#undef MULTIPROCESSING_AGAIN1
#undef MULTIPROCESSING_AGAIN2
#undef MULTIPROCESSING_AGAIN3
#undef MULTIPROCESSING_AGAIN4
#undef MULTIPROCESSING_EACH
#undef MULTIPROCESSING_STEP
#undef MULTIPROCESSING_NEXT
#undef MULTIPROCESSING_BRACES
#undef MULTIPROCESSING_TYPE

}  // namespace multiprocessing::detail
