// SPDX-License-Identifier: BSL-1.0
// Boost archives straight over an Encoder and a Decoder: no stream, no header, all of
// Boost.Serialization (versions, tracked and polymorphic pointers, exported classes).
//
// What needs no Boost is handed to its codec, which is many times faster. The one difference: such
// a value is not tracked, so a raw pointer into a container that is itself a member of the same
// message is loaded as an object of its own.
//
// Whatever writes nothing is given a byte, so that the size of a collection is never more than
// what is left of a message.
#pragma once
#include <multiprocessing/detail/codec_classes.hpp>
#include <multiprocessing/detail/codec_composed.hpp>
#include <multiprocessing/detail/codec_containers.hpp>
#include <multiprocessing/detail/codec_scalar.hpp>
#include <multiprocessing/detail/packed_parts.hpp>

#include <boost/archive/detail/common_iarchive.hpp>
#include <boost/archive/detail/common_oarchive.hpp>
#include <boost/archive/detail/register_archive.hpp>
#include <boost/mpl/bool.hpp>
#include <boost/serialization/array_wrapper.hpp>
#include <boost/serialization/collection_size_type.hpp>
#include <boost/serialization/item_version_type.hpp>
#include <boost/serialization/nvp.hpp>
#include <cstddef>
#include <cstring>
#include <string>

namespace multiprocessing::detail {

/// An archive meets types that are never messages: pointers, wrappers, Boost's own numbers.
template <class T>
concept ByCodec =
    std::is_object_v<T> && !std::is_pointer_v<T> && kVerdict<T>.native && kVerdict<T>.message;

/// An aggregate without `serialize`, which Boost by itself could not take.
template <class T>
concept ByFields = std::is_class_v<T> && kKind<T>
== MessageKind::kAggregate&& kVerdict<T>.message;

[[noreturn]] void fail_class_name(std::size_t length);

// The numbers that an archive keeps its books with. Boost tells them apart by their types.
template <class T>
concept ArchiveNumber = std::is_base_of_v<boost::archive::class_id_type, T> ||
    std::is_base_of_v<boost::archive::object_id_type, T> ||
    std::is_same_v<T, boost::archive::version_type> ||
    std::is_same_v<T, boost::serialization::item_version_type>;

class PackedOutArchive : public boost::archive::detail::common_oarchive<PackedOutArchive> {
  using Base = boost::archive::detail::common_oarchive<PackedOutArchive>;
  friend class boost::archive::detail::interface_oarchive<PackedOutArchive>;
  friend class boost::archive::save_access;

 public:
  explicit PackedOutArchive(Encoder& encoder) : Base(boost::archive::no_header), to_(encoder) {}

  // What Boost's own serialize functions ask an archive for.
  void save_binary(const void* data, std::size_t n) { to_.write(data, n); }
  template <class T>
  void save_array(const boost::serialization::array_wrapper<T>& array, unsigned /*version*/) {
    to_.write(array.address(), array.count() * sizeof(T));
  }

 private:
  template <class T> void save(const T& value) { Codec<T>::encode(to_, value); }

  template <class T> void save_override(const T& value) {
    using Value = std::remove_cv_t<T>;
    if constexpr (ArchiveNumber<Value>) {
      save_number(value);
    } else if constexpr (ByCodec<Value>) {
      Codec<Value>::encode(to_, value);
    } else {
      const std::size_t before = to_.size();
      if constexpr (ByFields<Value>) {
        visit_fields(value, [this](const auto&... fields) { (*this << ... << fields); });
      } else if constexpr (ByParts<Value>) {
        save_parts(*this, value);
      } else {
        Base::save_override(value);
      }
      if (to_.size() == before) to_.put(std::uint8_t{0});
    }
  }
  template <class T> void save_override(const boost::serialization::nvp<T>& pair) {
    *this << pair.const_value();
  }
  void save_override(const boost::archive::class_id_optional_type& /*repeated*/) {}
  void save_override(const boost::archive::tracking_type& tracked) {
    to_.put(static_cast<std::uint8_t>(static_cast<bool>(tracked)));
  }
  void save_override(const boost::archive::class_name_type& name) {
    save(std::string(static_cast<const char*>(name)));
  }
  void save_override(const boost::serialization::collection_size_type& n) { to_.write_length(n); }

  // A class id may be -1: the null pointer's.
  template <class T> void save_number(const T& number) {
    if constexpr (std::is_base_of_v<boost::archive::class_id_type, T>) {
      to_.put(static_cast<std::int16_t>(number));
    } else {
      to_.write_length(static_cast<std::uint32_t>(number));
    }
  }

  Encoder& to_;
};

class PackedInArchive : public boost::archive::detail::common_iarchive<PackedInArchive> {
  using Base = boost::archive::detail::common_iarchive<PackedInArchive>;
  friend class boost::archive::detail::interface_iarchive<PackedInArchive>;
  friend class boost::archive::load_access;

 public:
  explicit PackedInArchive(Decoder& decoder) : Base(boost::archive::no_header), from_(decoder) {}

  void load_binary(void* data, std::size_t n) { from_.read(data, n); }
  template <class T>
  void load_array(boost::serialization::array_wrapper<T>& array, unsigned /*version*/) {
    from_.read(array.address(), array.count() * sizeof(T));
  }

 private:
  template <class T> void load(T& value) { decode_into(from_, value); }

  template <class T> void load_override(T& value) {
    using Value = std::remove_cv_t<T>;
    if constexpr (ArchiveNumber<Value>) {
      load_number(value);
    } else if constexpr (ByCodec<Value>) {
      decode_into(from_, const_cast<Value&>(value));
    } else {
      const std::size_t before = from_.position();
      if constexpr (ByFields<Value>) {
        visit_fields(value, [this](auto&... fields) { (*this >> ... >> fields); });
      } else if constexpr (ByParts<Value>) {
        load_parts(*this, value);
      } else {
        Base::load_override(value);
      }
      if (from_.position() == before) from_.view(1);
    }
  }
  template <class T> void load_override(const boost::serialization::nvp<T>& pair) {
    *this >> pair.value();
  }
  void load_override(boost::archive::class_id_optional_type& /*repeated*/) {}
  void load_override(boost::archive::tracking_type& tracked) {
    tracked = boost::archive::tracking_type(from_.take<std::uint8_t>() != 0);
  }
  void load_override(boost::archive::class_name_type& name) {
    const auto text = Codec<std::string>::decode(from_);
    if (text.size() >= BOOST_SERIALIZATION_MAX_KEY_SIZE) fail_class_name(text.size());
    std::memcpy(static_cast<char*>(name), text.c_str(), text.size() + 1);
  }
  void load_override(boost::serialization::collection_size_type& n) {
    n = boost::serialization::collection_size_type(from_.read_length());
  }

  template <class T> void load_number(T& number) {
    if constexpr (std::is_base_of_v<boost::archive::class_id_type, T>) {
      number = T(boost::archive::class_id_type(int{from_.take<std::int16_t>()}));
    } else if constexpr (std::is_base_of_v<boost::archive::object_id_type, T>) {
      number = T(boost::archive::object_id_type(std::size_t{from_.read_number()}));
    } else {
      number = T(static_cast<unsigned>(from_.read_number()));
    }
  }

  Decoder& from_;
};

}  // namespace multiprocessing::detail

// Arrays of numbers in classes with `serialize` are copied as a whole.
namespace boost::serialization {

template <> struct use_array_optimization<multiprocessing::detail::PackedOutArchive> {
  template <class T> struct apply {
    using type = boost::mpl::bool_<std::is_arithmetic_v<T> && multiprocessing::detail::kFlat<T>>;
  };
};
template <>
struct use_array_optimization<multiprocessing::detail::PackedInArchive>
    : use_array_optimization<multiprocessing::detail::PackedOutArchive> {};

}  // namespace boost::serialization

BOOST_SERIALIZATION_REGISTER_ARCHIVE(multiprocessing::detail::PackedOutArchive)
BOOST_SERIALIZATION_REGISTER_ARCHIVE(multiprocessing::detail::PackedInArchive)
