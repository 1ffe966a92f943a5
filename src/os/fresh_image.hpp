// SPDX-License-Identifier: BSL-1.0
// Whether this process is a fresh image of the program that another process of it started, and
// what it was born with.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "os/fd.hpp"

namespace multiprocessing::os {

enum class ImageRole {
  kChild,   ///< runs one target
  kServer,  ///< forks children on request
};

/// Descriptors that all processes of a tree have; -1: none.
struct SharedDescriptors {
  int arena = -1;  ///< the shared memory
  int parking_in = -1;
  int parking_out = -1;  ///< a socket for descriptors in messages
};

/// What stands in the arguments of a fresh image.
struct Birth {
  ImageRole role = ImageRole::kChild;
  SharedDescriptors shared;
  int channel = -1;          ///< descriptor of a packet socket to the parent
  std::uint32_t parent = 0;  ///< the parent's serial, see memory/identity.hpp
};

/// This process's, read from its arguments; none in a program that was started as usual. The
/// descriptors are close-on-exec from the first call on. Can be asked before main.
[[nodiscard]] const std::optional<Birth>& birth();

/// Whether an ELF header is the one of the program, and not of a shared library that it loaded.
[[nodiscard]] bool is_program_header(const void* elf_header) noexcept;

/// That descriptor under a number, close-on-exec, of which exec_fresh_image makes no copy for the
/// while: another thread may fork a child that keeps it. THROWS: std::system_error.
[[nodiscard]] Fd ready_to_hand_down(Fd fd);

/// A new process of this very program image (also if its file was replaced or unlinked), the
/// process's name among its arguments and nothing inherited but the standard streams and the
/// descriptors of its birth. THROWS: std::system_error.
[[nodiscard]] int exec_fresh_image(const Birth& birth, std::string_view name);

/// Another program to start instead, as Python's set_executable; empty: this one.
void set_fresh_image(std::string path);
/// Whether that is so.
[[nodiscard]] bool fresh_image_is_another();

}  // namespace multiprocessing::os
