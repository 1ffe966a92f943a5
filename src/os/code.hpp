// SPDX-License-Identifier: BSL-1.0
// Names of code addresses that mean the same in another process of the same program.
#pragma once
#include <cstdint>
#include <string>

namespace multiprocessing::os {

/// A place in the code of a module: of the program, or of a shared library it has loaded.
struct CodeName {
  std::string build_id;      ///< of the module; empty where the linker wrote none
  std::string module;        ///< path of the shared library; empty: the program itself
  std::uint64_t offset = 0;  ///< from where the module was loaded
  std::uint64_t probe = 0;   ///< hash of the code there, for modules without a build id
};

/// THROWS: RuntimeError where the address is in no loaded module.
[[nodiscard]] CodeName name_code(const void* address);

/// The address in this process; loads the library if it is not there yet. THROWS: RuntimeError if
/// the module is not to be found, or is another build than the sender's.
[[nodiscard]] const void* find_code(const CodeName& name);

/// Has this process's forked children find code of the program without looking for it.
void remember_program();

}  // namespace multiprocessing::os
