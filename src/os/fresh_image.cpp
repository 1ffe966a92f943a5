// SPDX-License-Identifier: BSL-1.0
#include "os/fresh_image.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <link.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "os/fd.hpp"
#include "os/first_use.hpp"

namespace multiprocessing::os {
namespace {

// argv := program marker name numbers
constexpr std::string_view kChildMarker = "--multiprocessing-fork";
constexpr std::string_view kServerMarker = "--multiprocessing-forkserver";

std::string read_command_line() {
  const Fd file(::open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(file.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return parts;
}

template <class Number> bool read_number(std::string_view text, Number& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc{} && end == text.data() + text.size();
}

using BirthDescriptors = std::array<int, 4>;
BirthDescriptors descriptors_of(const Birth& birth) noexcept {
  return {birth.shared.arena, birth.shared.parking_in, birth.shared.parking_out, birth.channel};
}

std::optional<Birth> read_birth() {
  if (::getauxval(AT_SECURE) != 0) return std::nullopt;
  const std::string line = read_command_line();
  const auto arguments = split(line, '\0');
  if (arguments.size() != 4) return std::nullopt;
  Birth birth;
  if (arguments[1] == kServerMarker) {
    birth.role = ImageRole::kServer;
  } else if (arguments[1] != kChildMarker) {
    return std::nullopt;
  }
  const auto numbers = split(arguments[3], ',');
  const bool whole = numbers.size() == 5 && read_number(numbers[0], birth.shared.arena) &&
                     read_number(numbers[1], birth.shared.parking_in) &&
                     read_number(numbers[2], birth.shared.parking_out) &&
                     read_number(numbers[3], birth.channel) &&
                     read_number(numbers[4], birth.parent);
  if (!whole) return std::nullopt;
  for (const int fd : descriptors_of(birth)) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return birth;
}

constexpr const char* kOwn = "/proc/self/exe";

// Those that were chosen, the last one first. A list of what never changes, so that a fork at any
// moment leaves the child a whole one.
struct Executable {
  std::string path;
  const Executable* before;
};
constinit std::atomic<const Executable*> executables = nullptr;

std::string_view executable() noexcept {
  const Executable* const chosen = executables.load(std::memory_order_acquire);
  return chosen != nullptr ? std::string_view(chosen->path) : kOwn;
}

constexpr int kFirst = 3;  // the child's descriptors follow its standard streams
constexpr int kBehind = kFirst + static_cast<int>(std::tuple_size_v<BirthDescriptors>);

// Out of the way of the numbers that the child's get.
Fd copy_behind(int fd) {
  Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, kBehind));
  if (!copy) {
    throw std::system_error(errno, std::generic_category(), "cannot hand down a descriptor");
  }
  return copy;
}

// What the child is given: the standard streams, from kFirst on the descriptors of its birth, and
// no others, whatever this program has open.
class SpawnSettings {
 public:
  explicit SpawnSettings(const Birth& birth) : birth_(birth) {
    ::posix_spawn_file_actions_init(&actions_);
    try {
      int next = kFirst;
      for (int* fd : {&birth_.shared.arena, &birth_.shared.parking_in, &birth_.shared.parking_out,
                      &birth_.channel}) {
        if (*fd < 0) continue;
        if (*fd < kBehind) *fd = copies_.emplace_back(copy_behind(*fd)).get();
        check(::posix_spawn_file_actions_adddup2(&actions_, *fd, next));
        *fd = next++;
      }
      check(::posix_spawn_file_actions_addclosefrom_np(&actions_, next));
    } catch (...) {
      ::posix_spawn_file_actions_destroy(&actions_);
      throw;
    }
  }
  ~SpawnSettings() { ::posix_spawn_file_actions_destroy(&actions_); }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  [[nodiscard]] const posix_spawn_file_actions_t* actions() const noexcept { return &actions_; }
  /// With the child's numbers.
  [[nodiscard]] const Birth& birth() const noexcept { return birth_; }

 private:
  static void check(int error) {
    if (error != 0) {
      throw std::system_error(error, std::generic_category(), "cannot hand down a descriptor");
    }
  }

  Birth birth_;
  std::vector<Fd> copies_;
  posix_spawn_file_actions_t actions_;
};

std::string first_argument() {
  const std::string line = read_command_line();
  return line.substr(0, line.find('\0'));
}
// Before main: then no thread can be in the middle of it while another one forks.
const std::string program = first_argument();

}  // namespace

const std::optional<Birth>& birth() {
  static constinit FirstUse<const std::optional<Birth>> one;
  return one.get(read_birth);
}

bool is_program_header(const void* elf_header) noexcept {
  if (elf_header == nullptr) return false;
  const auto* header = static_cast<const ElfW(Ehdr)*>(elf_header);
  return reinterpret_cast<unsigned long>(header) + header->e_phoff == ::getauxval(AT_PHDR);
}

Fd ready_to_hand_down(Fd fd) { return fd.get() < kBehind ? copy_behind(fd.get()) : std::move(fd); }

int exec_fresh_image(const Birth& birth, std::string_view name) {
  const std::string path(executable());
  std::string first = program.empty() ? path : program;
  std::string marker(birth.role == ImageRole::kServer ? kServerMarker : kChildMarker);
  std::string label(name);
  const SpawnSettings settings(birth);
  const Birth& own = settings.birth();
  std::string numbers = fmt::format("{},{},{},{},{}", own.shared.arena, own.shared.parking_in,
                                    own.shared.parking_out, own.channel, own.parent);
  char* arguments[] = {first.data(), marker.data(), label.data(), numbers.data(), nullptr};
  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, path.c_str(), settings.actions(), nullptr, arguments, environ);
  if (error != 0) {
    throw std::system_error(error, std::generic_category(), fmt::format("cannot execute {}", path));
  }
  return pid;
}

void set_fresh_image(std::string path) {
  if (path.empty()) path = kOwn;
  if (executable() == path) return;
  auto* const chosen = new Executable{std::move(path), executables.load()};
  while (!executables.compare_exchange_weak(chosen->before, chosen)) {
  }
}

bool fresh_image_is_another() { return executable() != kOwn; }

}  // namespace multiprocessing::os
