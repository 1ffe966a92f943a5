// SPDX-License-Identifier: BSL-1.0
// What lets a fresh image of the program do what it was started for, without its main being run.
//
// Every file that includes this has an entry of its own in the program's list of initialisers. In a
// fresh image the first one that is reached calls those behind it, so that all statics are there,
// and then runs the target. An entry is a pointer in the section itself, for a function with the
// attribute `constructor` may be merged with others by the linker, and then has no place in the
// list.
#pragma once

namespace multiprocessing::detail {

using Initialiser = void (*)(int, char**, char**);

/// Whether the arguments are those of a fresh image.
[[nodiscard]] bool is_fresh_image(int argc, char** argv) noexcept;

/// Whether that is the header of the program itself, and not of a shared library.
[[nodiscard]] bool is_program_header(const void* elf_header) noexcept;

/// Notes that the program's fresh images find their way: they call run_fresh_image() before main.
void note_program_hook() noexcept;

/// Does what this process was started for. Returns only where it was started as usual.
void run_fresh_image();

}  // namespace multiprocessing::detail

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names
extern const multiprocessing::detail::Initialiser __init_array_end[]
    __attribute__((weak, visibility("hidden")));
extern const char __ehdr_start[] __attribute__((weak, visibility("hidden")));
// NOLINTEND(bugprone-reserved-identifier)
}

namespace multiprocessing::detail {

// NOLINTBEGIN(misc-definitions-in-headers): one in each file is what is wanted
static void enter_fresh_image(int argc, char** argv, char** environment);

__attribute__((section(".init_array"), used)) static Initialiser fresh_image_entry =
    enter_fresh_image;

static void enter_fresh_image(int argc, char** argv, char** environment) {
  if (!is_program_header(__ehdr_start)) return;
  note_program_hook();
  if (!is_fresh_image(argc, argv)) return;
  const Initialiser* next = &fresh_image_entry;
  asm("" : "+r"(next));  // the list is no array that the compiler knows of
  for (++next; next < __init_array_end; ++next) (*next)(argc, argv, environment);
  run_fresh_image();
}
// NOLINTEND(misc-definitions-in-headers)

}  // namespace multiprocessing::detail
