// SPDX-License-Identifier: BSL-1.0
#include <multiprocessing/fifo.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <multiprocessing/detail/message.hpp>
#include <system_error>

#include "connection/fifo_core.hpp"
#include "os/pauses.hpp"

namespace multiprocessing {
namespace {

[[noreturn]] void fail(int error, const std::string& path, const char* what) {
  throw std::system_error(error, std::generic_category(), fmt::format("Fifo '{}': {}", path, what));
}

// Opens it if it is one: a file that took its place would never tell of an end.
os::Fd open_end(const std::string& path, int mode) {
  os::Fd fd(::open(path.c_str(), mode | O_NONBLOCK | O_CLOEXEC));
  struct stat file {};
  if (fd && ::fstat(fd.get(), &file) == 0 && !S_ISFIFO(file.st_mode)) {
    fail(EINVAL, path, "what is there is no named pipe");
  }
  return fd;
}

}  // namespace

FifoReader::FifoReader(std::shared_ptr<detail::FifoReaderCore> core) noexcept
    : core_(std::move(core)) {}
std::string FifoReader::read(Timeout timeout) { return core_->read(os::Deadline::after(timeout)); }
std::string FifoReader::readline(Timeout timeout) {
  return core_->readline(os::Deadline::after(timeout));
}
void FifoReader::reopen() { core_->reopen(); }
int FifoReader::fileno() const { return core_->fileno(); }
void FifoReader::close() { core_->close(); }
bool FifoReader::closed() const noexcept { return core_->closed(); }

FifoWriter::FifoWriter(std::shared_ptr<detail::FifoWriterCore> core) noexcept
    : core_(std::move(core)) {}
void FifoWriter::write(std::span<const std::byte> bytes, Timeout timeout) {
  core_->write(bytes, os::Deadline::after(timeout));
}
int FifoWriter::fileno() const { return core_->fileno(); }
void FifoWriter::close() { core_->close(); }
bool FifoWriter::closed() const noexcept { return core_->closed(); }

Fifo::Fifo(std::string path) : path_(std::move(path)) {
  if (path_.find('\0') != std::string::npos) throw ValueError("Fifo: the path contains a NUL");
  if (::mkfifo(path_.c_str(), S_IRUSR | S_IWUSR) == 0) return;
  struct stat file {};
  if (errno != EEXIST) fail(errno, path_, "cannot make a named pipe");
  if (::stat(path_.c_str(), &file) != 0 || !S_ISFIFO(file.st_mode)) {
    fail(EEXIST, path_, "something is there that is no named pipe");
  }
}

FifoReader Fifo::reader() const {
  os::Fd fd = open_end(path_, O_RDONLY);
  if (!fd) fail(errno, path_, "cannot open it for reading");
  return FifoReader(std::make_shared<detail::FifoReaderCore>(std::move(fd), path_));
}

FifoWriter Fifo::writer(Timeout timeout) const {
  const os::Deadline deadline = os::Deadline::after(timeout);
  os::Pauses pauses;
  for (;;) {
    if (os::Fd fd = open_end(path_, O_WRONLY)) {
      return FifoWriter(std::make_shared<detail::FifoWriterCore>(std::move(fd), path_));
    }
    // An open that waits for the reader could not be given up on.
    if (errno != ENXIO && errno != EINTR) fail(errno, path_, "cannot open it for writing");
    if (!pauses.next(deadline)) {
      throw TimeoutError(fmt::format("Fifo '{}': writer: nobody opened it for reading", path_));
    }
  }
}

void Fifo::unlink() {
  if (::unlink(path_.c_str()) != 0) fail(errno, path_, "cannot remove it");
}

namespace detail {

void Traveller<Fifo>::encode(Encoder& encoder, const Fifo& fifo) {
  detail::encode(encoder, fifo.path());
}
Fifo Traveller<Fifo>::decode(Decoder& decoder) {
  return Fifo(detail::decode<std::string>(decoder));
}

}  // namespace detail
}  // namespace multiprocessing
