// SPDX-License-Identifier: BSL-1.0
#include "os/title.hpp"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace multiprocessing::os {

void set_title(std::string_view name) noexcept {
  char title[16] = {};
  std::memcpy(title, name.data(), std::min(name.size(), sizeof title - 1));
  ::syscall(SYS_prctl, PR_SET_NAME, title, 0, 0, 0);
}

}  // namespace multiprocessing::os
