// SPDX-License-Identifier: BSL-1.0
#include "os/title.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <cstring>

namespace multiprocessing::os {

void set_title(std::string_view name) noexcept {
  char title[16] = {};
  std::memcpy(title, name.data(), std::min(name.size(), sizeof title - 1));
  ::prctl(PR_SET_NAME, title);
}

}  // namespace multiprocessing::os
