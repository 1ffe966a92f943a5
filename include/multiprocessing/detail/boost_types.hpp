// SPDX-License-Identifier: BSL-1.0
// Types that travel through Boost.Serialization: its headers for the standard library, so that
// users' `serialize` functions find them, and how such a type becomes a message.
#pragma once
#include <multiprocessing/detail/packed_archive.hpp>

#include <boost/archive/archive_exception.hpp>
#include <boost/serialization/library_version_type.hpp>
// The header above first: Boost 1.74's containers forget to include it.
#include <boost/serialization/array.hpp>
#include <boost/serialization/base_object.hpp>
#include <boost/serialization/bitset.hpp>
#include <boost/serialization/complex.hpp>
#include <boost/serialization/deque.hpp>
#include <boost/serialization/forward_list.hpp>
#include <boost/serialization/list.hpp>
#include <boost/serialization/map.hpp>
#include <boost/serialization/set.hpp>
#include <boost/serialization/shared_ptr.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/unique_ptr.hpp>
#include <boost/serialization/unordered_map.hpp>
#include <boost/serialization/unordered_set.hpp>
#include <boost/serialization/utility.hpp>
#include <boost/serialization/valarray.hpp>
#include <boost/serialization/vector.hpp>
#include <boost/serialization/weak_ptr.hpp>
#include <memory>
#include <optional>
#include <string>

namespace multiprocessing::detail {

/// What a smart pointer points to has to be a message as well, and a class: Boost tracks no
/// others. Everything else that Boost takes is its user's affair.
template <class T>
using Pointee =
    std::conditional_t<std::is_class_v<T> && !std::is_same_v<T, std::string>, Types<T>, Types<T*>>;

template <class T> struct BoostParts : CodecDefaults {};
template <class T> struct BoostParts<std::shared_ptr<T>> : CodecDefaults {
  using Parts = Pointee<T>;
  static constexpr std::string_view kName = "std::shared_ptr";
};
template <class T> struct BoostParts<std::weak_ptr<T>> : CodecDefaults {
  using Parts = Pointee<T>;
  static constexpr std::string_view kName = "std::weak_ptr";
};
template <class T> struct BoostParts<std::unique_ptr<T>> : CodecDefaults {
  using Parts = Pointee<T>;
  static constexpr std::string_view kName = "std::unique_ptr";
};

template <class T> struct KindCodec<T, MessageKind::kBoost> : BoostParts<T> {
  static constexpr std::string_view kTag = "C";
  static constexpr bool kNamed = true;
  static constexpr bool kNative = false;
  static constexpr bool kSized = false;
  static consteval std::size_t min_bytes() { return 1; }
};

/// THROWS TypeError: a polymorphic class without BOOST_CLASS_EXPORT, ValueError: anything else.
[[noreturn]] void fail_archive(const boost::archive::archive_exception& why,
                               const std::string& type, bool saving);

template <class T> void encode_packed(Encoder& encoder, const T& value) {
  try {
    PackedOutArchive archive(encoder);
    save_constructed(archive, value);
  } catch (const boost::archive::archive_exception& why) {
    fail_archive(why, name_of_type<T>(), true);
  }
}

/// Calls `load` with an archive over what the decoder has left.
template <class T, class Load> void with_packed_archive(Decoder& decoder, Load load) {
  try {
    PackedInArchive archive(decoder);
    load(archive);
  } catch (const boost::archive::archive_exception& why) {
    fail_archive(why, name_of_type<T>(), false);
  }
}

template <class T>
requires std::is_default_constructible_v<T> T decode_packed(Decoder& decoder) {
  // Loaded where it will stay, not moved: pointers inside may point to the value itself.
  T value{};
  with_packed_archive<T>(decoder, [&value](PackedInArchive& archive) { archive >> value; });
  return value;
}

template <class T> T decode_packed(Decoder& decoder) {
  std::optional<Slot<T>> slot;
  with_packed_archive<T>(decoder, [&slot](PackedInArchive& archive) {
    slot.emplace(archive);
    archive >> slot->value();
  });
  return std::move(slot->value());
}

}  // namespace multiprocessing::detail

// Called by Boost where one of these is behind a pointer.
namespace boost::serialization {

template <class Archive, class T>
requires std::same_as<Archive, multiprocessing::detail::PackedOutArchive> &&
    multiprocessing::detail::ByFields<T>
void serialize(Archive& archive, T& value, const unsigned) {
  multiprocessing::detail::visit_fields(
      value, [&archive](const auto&... fields) { (archive << ... << fields); });
}
template <class Archive, class T>
requires std::same_as<Archive, multiprocessing::detail::PackedInArchive> &&
    multiprocessing::detail::ByFields<T>
void serialize(Archive& archive, T& value, const unsigned) {
  multiprocessing::detail::visit_fields(
      value, [&archive](auto&... fields) { (archive >> ... >> fields); });
}
template <class Archive, class T>
requires std::same_as<Archive, multiprocessing::detail::PackedOutArchive> &&
    multiprocessing::detail::ByParts<T>
void serialize(Archive& archive, T& value, const unsigned) {
  multiprocessing::detail::save_parts(archive, value);
}
template <class Archive, class T>
requires std::same_as<Archive, multiprocessing::detail::PackedInArchive> &&
    multiprocessing::detail::ByParts<T>
void serialize(Archive& archive, T& value, const unsigned) {
  multiprocessing::detail::load_parts(archive, value);
}

}  // namespace boost::serialization
