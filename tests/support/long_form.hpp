// SPDX-License-Identifier: BSL-1.0
// Tests by random or exhaustive kills have a short form, the default, and a long one.
#pragma once

namespace multiprocessing::test {

/// True under `--long` or MULTIPROCESSING_TEST_LONG=1: every instruction, thousands of kills.
[[nodiscard]] bool long_form() noexcept;

/// `usual` in the short form, `all` in the long one.
[[nodiscard]] inline int rounds(int usual, int all) noexcept { return long_form() ? all : usual; }

}  // namespace multiprocessing::test
