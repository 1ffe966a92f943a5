// SPDX-License-Identifier: BSL-1.0
#include "long_form.hpp"

#include <cstdlib>
#include <string_view>

namespace multiprocessing::test {

bool long_form() noexcept {
  const char* value = std::getenv("MULTIPROCESSING_TEST_LONG");
  return value != nullptr && *value != '\0' && std::string_view(value) != "0";
}

}  // namespace multiprocessing::test
