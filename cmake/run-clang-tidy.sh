#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# Runs clang-tidy over the library; .clang-tidy says which checks.
#
#   cmake/run-clang-tidy.sh              the sources that differ from the branch main
#   cmake/run-clang-tidy.sh --all        all sources: minutes to an hour
#   cmake/run-clang-tidy.sh FILES...     these
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
  --all) mapfile -t files < <(find src -name '*.cpp' | sort) ;;
  '') mapfile -t files < <(git diff --name-only --diff-filter=d main -- 'src/*.cpp') ;;
  *) files=("$@") ;;
esac
((${#files[@]} > 0)) || { echo "No source differs from main."; exit 0; }

cmake/install-dependencies.sh clang-tidy
cmake --preset dev >/dev/null
printf '%s\0' "${files[@]}" |
  xargs -0 -P "$(nproc)" -n 1 clang-tidy -p build/dev --quiet --warnings-as-errors='*'
