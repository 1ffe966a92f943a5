// SPDX-License-Identifier: BSL-1.0
// A number that tells types apart, and what a process knows of the types behind the numbers.
//
// structure := tag [name] [count] ["(" structure {"," structure} ")"]
// tag       := b i1 i2 i4 i8 u1 u2 u4 u8 f4 f8 f16      bool, integers, floating point
//            | s y n                                     std::string, bytes, None
//            | V Q L A B | S U | M N | P T O | O         see codec_*.hpp
//            | H fingerprint | R fingerprint             a handle, a manager's proxy
// Types whose tags have a counterpart in Python, and handles, can be read without knowing them at
// compile time.
#pragma once
#include <multiprocessing/detail/codec.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace multiprocessing::detail {

/// A hash of the structure of a type (and of its name, if it is a class of the program's own):
/// equal in every process of the program. Containers that differ only in comparator, hash or
/// allocator are the same, as are integers of one width and signedness.
using Fingerprint = std::uint32_t;

/// FNV-1a over the structure, while compiling.
class StructureHash {
 public:
  constexpr void text(std::string_view text) {
    for (const char c : text) value_ = (value_ ^ static_cast<unsigned char>(c)) * 16777619U;
  }
  constexpr void number(std::size_t n) {
    do {
      const char digit = static_cast<char>('0' + n % 10);
      text({&digit, 1});
    } while ((n /= 10) != 0);
  }
  template <class T> constexpr void class_name() { text(spelled<T>()); }
  [[nodiscard]] constexpr Fingerprint value() const { return value_; }

 private:
  Fingerprint value_ = 2166136261U;
};

template <class T> consteval Fingerprint hash_structure() {
  StructureHash hash;
  describe<T>(hash);
  return hash.value();
}

template <class T> inline constexpr Fingerprint kFingerprint = hash_structure<T>();

/// The same as text, while running. Names of enums are left out, they are ints in Python; those of
/// handles are fingerprints.
class StructureText {
 public:
  void text(std::string_view text) { value_ += text; }
  void number(std::size_t n) { value_ += std::to_string(n); }
  template <class T> void class_name() {
    if constexpr (Codec<T>::kHandleForm) number(kFingerprint<T>);
  }
  [[nodiscard]] std::string take() { return std::move(value_); }

 private:
  std::string value_;
};

/// What has to be said of a type at run time. Lives in a list while its module is loaded.
class KnownType {
 public:
  using Say = std::string (*)();

  /// `structure` is null for types of whose values no Object can be made.
  KnownType(Fingerprint fingerprint, Say name, Say structure);
  ~KnownType();
  KnownType(const KnownType&) = delete;
  KnownType& operator=(const KnownType&) = delete;

 private:
  friend struct KnownTypes;
  Fingerprint fingerprint_;
  Say name_;
  Say structure_;
  KnownType* next_ = nullptr;      // guarded by the list's mutex
  KnownType* previous_ = nullptr;  // same
};

template <class T> std::string structure_of_type() {
  StructureText text;
  describe<T>(text);
  return text.take();
}

template <class T>
inline const KnownType known_type{
    kFingerprint<T>, &name_of_type<T>,
    kVerdict<T>.dynamic ? KnownType::Say{&structure_of_type<T>} : nullptr};

/// THROWS TypeError that names both types.
[[noreturn]] void fail_other_type(Fingerprint sent, const std::string& wanted);

}  // namespace multiprocessing::detail
