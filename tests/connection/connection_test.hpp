// SPDX-License-Identifier: BSL-1.0
// What several tests of connections need.
#pragma once
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "os/fd.hpp"

namespace multiprocessing::test {

inline std::vector<std::byte> bytes_of(std::string_view text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

/// The errno of the std::system_error that `f` throws; 0 if it throws none.
template <class F> int errno_of(F f) {
  try {
    f();
  } catch (const std::system_error& error) {
    return error.code().value();
  }
  return 0;
}

/// How many descriptors this process has open.
inline std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  // One of them is the iterator's own.
  return static_cast<std::size_t>(std::distance(begin(all), end(all))) - 1;
}

/// What descriptor `fd` of this process refers to; empty if it is closed.
inline std::string link_of(int fd) {
  std::error_code closed;
  return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), closed);
}

/// This process can open no descriptor while it lives: every number up to the limit is taken.
class NoFreeDescriptor {
 public:
  NoFreeDescriptor() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit full = before_;
    full.rlim_cur = static_cast<rlim_t>(highest_descriptor() + 1);
    ::setrlimit(RLIMIT_NOFILE, &full);
    do {
      fillers_.emplace_back(::dup(0));
    } while (fillers_.back());
  }
  ~NoFreeDescriptor() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoFreeDescriptor(const NoFreeDescriptor&) = delete;
  NoFreeDescriptor& operator=(const NoFreeDescriptor&) = delete;

 private:
  static int highest_descriptor() {
    int highest = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      highest = std::max(highest, std::stoi(entry.path().filename()));
    }
    return highest;
  }

  rlimit before_{};
  std::vector<os::Fd> fillers_;
};

/// Bytes that tell their place, so that a shift or a gap shows.
inline std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i ^ i >> 8 ^ i >> 16);
  return bytes;
}

}  // namespace multiprocessing::test
