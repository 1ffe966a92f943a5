// SPDX-License-Identifier: BSL-1.0
// The frame of all codecs: what is asked of one, and what follows from the parts of a type. A codec
// says how a T travels without Boost; it is
//
//   struct StandardCodec<T> : CodecDefaults {
//     using Parts = Types<…>;                     // the types it consists of, none twice removed
//     static constexpr std::string_view kTag;     // one for each kind of structure
//     static consteval std::size_t min_bytes();   // no value takes less; never 0
//     template <class Out> static void encode(Out&, const T&);   // Out: Encoder or Sizer
//     static T decode(Decoder&);                  // none for C arrays, which have decode_into
//   };
#pragma once
#include <multiprocessing/detail/encoder.hpp>
#include <multiprocessing/detail/message_kind.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

namespace multiprocessing::detail {

/// Counts what an Encoder would write. Alignment makes the size depend on what comes before, so
/// the count runs through the same code as the writing.
class Sizer {
 public:
  void write(const void* /*data*/, std::size_t n) { size_ += n; }
  template <class T> void put(T /*value*/) { size_ += sizeof(T); }
  void write_length(std::uint64_t n) { size_ += n < 0xff ? 1 : 1 + sizeof n; }
  void align(std::size_t alignment) { size_ += (alignment - size_ % alignment) % alignment; }
  void write_handle(const Handle& /*handle*/) { size_ += sizeof(std::uint32_t); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::size_t size_ = 0;
};

struct CodecDefaults {
  using Parts = Types<>;
  static constexpr std::string_view kName{};  // as in "std::vector"; empty: the type's own name
  static constexpr bool kNamed = false;       // its name makes it another type
  static constexpr std::size_t kCount = 0;    // and so does this number
  static constexpr bool kNative = true;       // needs no Boost archive
  static constexpr bool kSized = true;        // a Sizer can count it
  static constexpr bool kObjectForm = false;  // has a counterpart in Python
  static constexpr bool kHandleForm = false;  // has none, but an Object can hold it
};

template <class T, MessageKind kKindOfT = kKind<T>> struct KindCodec;

template <class T> struct KindCodec<T, MessageKind::kStandard> : StandardCodec<T> {};

template <class T> struct KindCodec<T, MessageKind::kRefused> : CodecDefaults {};

template <class T> using Codec = KindCodec<T>;

/// What holds for a type and all of its parts.
struct Verdict {
  bool message;
  bool native;
  bool sized;
  bool object_form;
  bool dynamic;  // an Object can be made of its bytes

  constexpr Verdict operator&(Verdict other) const {
    return {message && other.message, native && other.native, sized && other.sized,
            object_form && other.object_form, dynamic && other.dynamic};
  }
};

template <class T, class... Seen> consteval Verdict examine();

template <class... Seen, class... Parts> consteval Verdict examine_all(Types<Parts...> /*parts*/) {
  return (Verdict{true, true, true, true, true} & ... & examine<Parts, Seen...>());
}

// Seen: the aggregates that T is within. One that holds a vector of its own kind is met again.
template <class T, class... Seen> consteval Verdict examine() {
  if constexpr ((... || std::is_same_v<T, Seen>)) {
    return {true, true, true, false, false};
  } else if constexpr (kKind<T> == MessageKind::kRefused) {
    return {false, false, false, false, false};
  } else {
    using C = Codec<T>;
    constexpr Verdict kSelf{true, C::kNative, C::kSized, C::kObjectForm,
                            C::kObjectForm || C::kHandleForm};
    if constexpr (kKind<T> == MessageKind::kAggregate) {
      return kSelf & examine_all<Seen..., T>(typename C::Parts{});
    } else {
      return kSelf & examine_all<Seen...>(typename C::Parts{});
    }
  }
}

template <class T> inline constexpr Verdict kVerdict = examine<T>();

/// Writes the structure of T into `sink`: a tag, the name or count if they matter, the parts.
template <class T, class... Seen, class Sink> constexpr void describe(Sink& sink);

template <class... Seen, class Sink, class First, class... Rest>
constexpr void describe_all(Sink& sink, Types<First, Rest...> /*parts*/) {
  sink.text("(");
  describe<First, Seen...>(sink);
  ((sink.text(","), describe<Rest, Seen...>(sink)), ...);
  sink.text(")");
}
template <class... Seen, class Sink>
constexpr void describe_all(Sink& /*sink*/, Types<> /*parts*/) {}

template <class T, class... Seen, class Sink> constexpr void describe(Sink& sink) {
  if constexpr ((... || std::is_same_v<T, Seen>)) {
    sink.text("^");
    sink.template class_name<T>();
  } else {
    using C = Codec<T>;
    sink.text(C::kTag);
    if constexpr (C::kNamed) sink.template class_name<T>();
    if constexpr (C::kCount != 0) sink.number(C::kCount);
    if constexpr (kKind<T> == MessageKind::kAggregate) {
      describe_all<Seen..., T>(sink, typename C::Parts{});
    } else {
      describe_all<Seen...>(sink, typename C::Parts{});
    }
  }
}

/// T as a C++ programmer writes it.
template <class T> [[nodiscard]] std::string name_of_type() {
  if constexpr (Codec<T>::kName.empty()) {
    return readable_name(typeid(T));
  } else {
    std::string name(Codec<T>::kName);
    std::string arguments;
    const auto add = [&arguments](const std::string& argument) {
      arguments += (arguments.empty() ? "" : ", ") + argument;
    };
    [&add]<class... Parts>(Types<Parts...> /*parts*/) {
      (add(name_of_type<Parts>()), ...);
    }(typename Codec<T>::Parts{});
    if (Codec<T>::kCount != 0) add(std::to_string(Codec<T>::kCount));
    return arguments.empty() ? name : name + '<' + arguments + '>';
  }
}

template <class... Parts> consteval std::size_t sum_of_min_bytes(Types<Parts...> /*parts*/) {
  return (std::size_t{0} + ... + Codec<Parts>::min_bytes());
}

template <class T> void decode_into(Decoder& decoder, T& value) {
  if constexpr (std::is_array_v<T>) {
    Codec<T>::decode_into(decoder, value);
  } else {
    value = Codec<T>::decode(decoder);
  }
}

}  // namespace multiprocessing::detail
