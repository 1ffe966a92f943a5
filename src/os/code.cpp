// SPDX-License-Identifier: BSL-1.0
#include "os/code.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>
#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <multiprocessing/errors.hpp>
#include <mutex>
#include <optional>
#include <span>
#include <sstream>
#include <utility>

#include "os/first_use.hpp"
#include "os/fork_mutex.hpp"

namespace multiprocessing::os {
namespace {

// More than the prologue, which functions of different programs may have in common.
constexpr std::size_t kProbeBytes = 64;

// One loaded module as dl_iterate_phdr shows it. The program itself is the first.
struct Module {
  const dl_phdr_info* info;
  bool is_program;

  [[nodiscard]] std::span<const ElfW(Phdr)> headers() const noexcept {
    return {info->dlpi_phdr, info->dlpi_phnum};
  }
  // How many bytes of the module's memory follow from that address; 0: it lies elsewhere.
  [[nodiscard]] std::size_t bytes_from(ElfW(Addr) address) const noexcept {
    for (const ElfW(Phdr) & header : headers()) {
      if (header.p_type != PT_LOAD) continue;
      const ElfW(Addr) begin = info->dlpi_addr + header.p_vaddr;
      if (address >= begin && address - begin < header.p_memsz) {
        return header.p_memsz - (address - begin);
      }
    }
    return 0;
  }
};

std::string build_id_in(std::span<const char> notes, std::size_t alignment) {
  const auto padded = [&](std::size_t n) { return (n + alignment - 1) & ~(alignment - 1); };
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes.data(), sizeof note);
    const std::size_t text = sizeof note + padded(note.n_namesz);
    const std::size_t end = text + padded(note.n_descsz);
    if (end > notes.size()) break;
    const bool gnu = note.n_namesz == 4 && std::memcmp(notes.data() + sizeof note, "GNU", 4) == 0;
    if (gnu && note.n_type == NT_GNU_BUILD_ID) return {notes.data() + text, note.n_descsz};
    notes = notes.subspan(end);
  }
  return {};
}

std::string build_id_of(const Module& module) {
  for (const ElfW(Phdr) & header : module.headers()) {
    if (header.p_type != PT_NOTE) continue;
    const auto* begin = reinterpret_cast<const char*>(module.info->dlpi_addr + header.p_vaddr);
    std::string id = build_id_in({begin, header.p_memsz}, header.p_align == 8 ? 8 : 4);
    if (!id.empty()) return id;
  }
  return {};
}

// FNV-1a. A debugger's breakpoint changes the code, so it is asked only where there is no build id.
std::uint64_t hash_of_code(const void* address, std::size_t bytes) noexcept {
  const auto* code = static_cast<const unsigned char*>(address);
  std::uint64_t hash = 14695981039346656037U;
  for (std::size_t i = 0; i < std::min(bytes, kProbeBytes); ++i) {
    hash = (hash ^ code[i]) * 1099511628211U;
  }
  return hash;
}

// The file of a module. What was loaded by a relative path is there by another one once the working
// directory has changed.
std::string path_of(const dl_phdr_info& info, ElfW(Addr) address) {
  std::string path = info.dlpi_name;
  if (path.empty() || path.front() == '/') return path;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    ElfW(Addr) begin = 0;
    ElfW(Addr) end = 0;
    char dash = 0;
    fields >> std::hex >> begin >> dash >> end;
    const std::size_t file = line.find('/');
    if (begin <= address && address < end && file != std::string::npos) return line.substr(file);
  }
  return path;
}

// Held by whoever walks over the modules, and by whoever forks: the walk takes a lock of the
// dynamic linker's, which a child that is forked in the middle of it would find held for ever.
ForkMutex walking;
// Before all others: then a fork takes it as the last one, as who walks while he holds another.
[[gnu::constructor(101)]] void register_walking() {
  ::pthread_atfork([] { walking.lock(); }, [] { walking.unlock(); }, nullptr);
}

// Calls visit(module) until it says true.
template <class Visit> void visit_modules(Visit visit) {
  const std::lock_guard guard(walking);
  struct Walk {
    Visit& visit;
    bool first = true;
  } walk{visit};
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* context) {
        auto& state = *static_cast<Walk*>(context);
        const Module module{info, std::exchange(state.first, false)};
        return state.visit(module) ? 1 : 0;
      },
      &walk);
}

struct Program {
  std::uint64_t base = 0;
  std::string build_id;
};

// It stays as it is, and is what is asked for mostly.
const Program& program() {
  static constinit FirstUse<const Program> one;
  return one.get([] {
    Program result;
    visit_modules([&](const Module& module) {
      result = {module.info->dlpi_addr, build_id_of(module)};
      return true;
    });
    return result;
  });
}

std::optional<std::uint64_t> base_of_module(const CodeName& name) {
  std::optional<std::uint64_t> base;
  visit_modules([&](const Module& module) {
    const bool same_file =
        name.module.empty() ? module.is_program : name.module == module.info->dlpi_name;
    if (build_id_of(module) != name.build_id) return false;
    if (name.build_id.empty() && !same_file) return false;
    if (module.is_program != name.module.empty()) return false;
    base = module.info->dlpi_addr;
    return true;
  });
  return base;
}

std::string readable(const CodeName& name) {
  return name.module.empty() ? std::string("this program") : name.module;
}

}  // namespace

CodeName name_code(const void* address) {
  std::optional<CodeName> result;
  const auto number = reinterpret_cast<ElfW(Addr)>(address);
  visit_modules([&](const Module& module) {
    const std::size_t bytes = module.bytes_from(number);
    if (bytes == 0) return false;
    result = CodeName{build_id_of(module), module.is_program ? "" : path_of(*module.info, number),
                      number - module.info->dlpi_addr, hash_of_code(address, bytes)};
    return true;
  });
  if (result) return *std::move(result);
  throw RuntimeError(fmt::format(
      "the function at {} is in no module of this program: code made at run time cannot go to "
      "another process image; use the start method fork",
      address));
}

void remember_program() { static_cast<void>(program()); }

const void* find_code(const CodeName& name) {
  if (name.module.empty() && !name.build_id.empty() && name.build_id == program().build_id) {
    return reinterpret_cast<const void*>(program().base + name.offset);
  }
  std::optional<std::uint64_t> base = base_of_module(name);
  if (!base && !name.module.empty()) {
    // It stays loaded: its functions are about to be called.
    if (::dlopen(name.module.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
      throw RuntimeError(
          fmt::format("cannot load {}, which the parent has loaded: {}", name.module, ::dlerror()));
    }
    base = base_of_module(name);
  }
  if (!base) {
    throw RuntimeError(
        fmt::format("{} is another build here than in the parent: it was replaced while the parent "
                    "runs; start the parent anew",
                    readable(name)));
  }
  const auto* address = reinterpret_cast<const void*>(*base + name.offset);
  std::size_t bytes = 0;
  visit_modules([&](const Module& module) {
    bytes = module.bytes_from(*base + name.offset);
    return bytes != 0;
  });
  const bool same =
      bytes != 0 && (!name.build_id.empty() || hash_of_code(address, bytes) == name.probe);
  if (same) return address;
  throw RuntimeError(fmt::format(
      "the code of {} differs from the parent's: it was replaced while the parent runs; start the "
      "parent anew",
      readable(name)));
}

}  // namespace multiprocessing::os
