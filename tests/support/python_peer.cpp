// SPDX-License-Identifier: BSL-1.0
#include "python_peer.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <stdexcept>
#include <system_error>

namespace multiprocessing::test {
namespace {

void write_all(int fd, const void* data, std::size_t n) {
  const auto* at = static_cast<const char*>(data);
  while (n > 0) {
    const ssize_t done = ::write(fd, at, n);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw std::system_error(errno, std::generic_category(), "write to python3");
    at += done;
    n -= static_cast<std::size_t>(done);
  }
}

void read_all(int fd, void* data, std::size_t n) {
  auto* at = static_cast<char*>(data);
  while (n > 0) {
    const ssize_t done = ::read(fd, at, n);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) throw std::runtime_error("python3 ended before it answered");
    at += done;
    n -= static_cast<std::size_t>(done);
  }
}

}  // namespace

PythonPeer::PythonPeer(const std::string& script, const std::vector<std::string>& arguments,
                       const std::string& python) {
  int in[2];
  int out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0)
    throw std::system_error(errno, std::generic_category(), "pipe2");
  std::vector<char*> argv;
  std::string program = python;
  std::string path = script;
  std::vector<std::string> rest = arguments;
  argv.push_back(program.data());
  argv.push_back(path.data());
  for (std::string& argument : rest) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::execvp(program.c_str(), argv.data());
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  to_ = in[1];
  from_ = out[0];
}

PythonPeer::~PythonPeer() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    finish();
  }
  if (from_ >= 0) ::close(from_);
}

void PythonPeer::send(std::string_view message) {
  const auto n = static_cast<std::uint32_t>(message.size());
  write_all(to_, &n, sizeof n);
  write_all(to_, message.data(), message.size());
}

void PythonPeer::send(std::span<const std::byte> message) {
  send(std::string_view(reinterpret_cast<const char*>(message.data()), message.size()));
}

std::string PythonPeer::receive() {
  std::uint32_t n = 0;
  read_all(from_, &n, sizeof n);
  std::string message(n, '\0');
  read_all(from_, message.data(), n);
  return message;
}

int PythonPeer::finish() {
  if (to_ >= 0) ::close(to_);
  to_ = -1;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace multiprocessing::test
