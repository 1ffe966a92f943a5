// SPDX-License-Identifier: BSL-1.0
#include "child.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <thread>

namespace multiprocessing::test {
namespace {

int run(const ChildMain& f) noexcept {
  try {
    return f();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "a test's child threw: %s\n", error.what());
  } catch (...) {
    std::fprintf(stderr, "a test's child threw\n");
  }
  return Child::kThrew;
}

}  // namespace

Child::Child(ChildMain f, int) {
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "cannot fork");
  if (pid_ > 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have ended before the line above asked to be told; it is 0 for the first process
  // of a pid namespace.
  if (const pid_t now = ::getppid(); now != parent && now != 0) ::_exit(Child::kThrew);
  const int code = run(f);
  std::fflush(nullptr);
  ::_exit(code);
}

Child& Child::operator=(Child&& other) noexcept {
  if (this != &other) {
    kill();
    pid_ = std::exchange(other.pid_, -1);
    status_ = other.status_;
  }
  return *this;
}

Child::~Child() { kill(); }

int Child::wait() {
  while (status_ == -1 && ::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status_) ? -WTERMSIG(status_) : WEXITSTATUS(status_);
}

bool Child::ended() {
  if (status_ != -1) return true;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
  status_ = status;
  return true;
}

void Child::signal(int number) const noexcept {
  if (pid_ > 0 && status_ == -1) ::kill(pid_, number);
}

void Child::kill() {
  if (pid_ <= 0 || status_ != -1) return;
  signal(SIGKILL);
  wait();
}

bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds within) {
  const auto until = std::chrono::steady_clock::now() + within;
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= until) return holds();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

}  // namespace multiprocessing::test
