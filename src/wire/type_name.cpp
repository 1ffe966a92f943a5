// SPDX-License-Identifier: BSL-1.0
#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <multiprocessing/detail/type_name.hpp>

namespace multiprocessing::detail {

namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
    at += to.size();
  }
}

// Where the angle bracket that opens just before `begin` closes.
std::size_t end_of_arguments(const std::string& text, std::size_t begin) {
  int depth = 1;
  for (std::size_t at = begin; at < text.size(); ++at) {
    if (text[at] == '<') ++depth;
    if (text[at] == '>' && --depth == 0) return at;
  }
  return std::string::npos;
}

// Removes `, NAME<…>`, an argument that nobody writes.
void drop_argument(std::string& text, std::string_view name) {
  const std::string opening = ", " + std::string(name) + "<";
  for (std::size_t at = text.find(opening); at != std::string::npos; at = text.find(opening, at)) {
    const std::size_t end = end_of_arguments(text, at + opening.size());
    if (end == std::string::npos) return;
    text.erase(at, end + 1 - at);
  }
}

}  // namespace

std::string readable_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> demangled(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  std::string text = status == 0 ? demangled.get() : type.name();
  replace_all(text, "std::__cxx11::", "std::");
  replace_all(text, "std::__1::", "std::");
  replace_all(text, "(anonymous namespace)::", "");
  for (const char* name : {"std::char_traits", "std::allocator", "std::less", "std::hash",
                           "std::equal_to", "std::default_delete"}) {
    drop_argument(text, name);
  }
  replace_all(text, " >", ">");
  replace_all(text, "std::basic_string<char>", "std::string");
  return text;
}

}  // namespace multiprocessing::detail
