// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <boost/archive/impl/archive_serializer_map.ipp>
#include <multiprocessing/detail/boost_types.hpp>
#include <multiprocessing/errors.hpp>

// The maps of exported classes, one for each archive, for the whole program.
template class boost::archive::detail::archive_serializer_map<
    multiprocessing::detail::PackedOutArchive>;
template class boost::archive::detail::archive_serializer_map<
    multiprocessing::detail::PackedInArchive>;

namespace multiprocessing::detail {

void fail_archive(const boost::archive::archive_exception& why, const std::string& type,
                  bool saving) {
  using Why = boost::archive::archive_exception;
  const char* verb = saving ? "encode" : "decode";
  if (why.code == Why::unregistered_class || why.code == Why::unregistered_cast) {
    throw TypeError(fmt::format(
        "cannot {} {}: it points to an object of a derived class that Boost.Serialization does not "
        "know ({}). Write BOOST_CLASS_EXPORT(Derived) once and base_object<Base> in its serialize",
        verb, type, why.what()));
  }
  throw ValueError(fmt::format("cannot {} {}: {}", verb, type, why.what()));
}

void fail_class_name(std::size_t length) {
  throw ValueError(
      fmt::format("cannot decode a message: it names a class by {} characters", length));
}

void fail_valueless_variant() {
  throw ValueError("cannot encode a std::variant that is valueless_by_exception: assign it first");
}

void fail_variant_index(std::size_t index, std::size_t alternatives) {
  throw ValueError(
      fmt::format("cannot decode a message: it tells of alternative {} of a std::variant of {}",
                  index, alternatives));
}

}  // namespace multiprocessing::detail
