#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# Runs clang-tidy over the library, its tests, samples and benchmarks; .clang-tidy says which checks.
#
#   cmake/run-clang-tidy.sh              the sources that differ from the branch main
#   cmake/run-clang-tidy.sh --all        all sources: minutes to an hour
#   cmake/run-clang-tidy.sh FILES...     these
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=build/tidy
cmake/install-dependencies.sh clang-tidy
cmake --preset dev -B "$build" -DMULTIPROCESSING_BENCHMARKS=ON >/dev/null

# What this build compiles: other programs of the tests are projects of their own.
compiled() { grep -Fxf <(sed -n "s#^ *\"file\": \"$PWD/\(.*\)\".*#\1#p" "$build/compile_commands.json"); }
case ${1:-} in
  --all) mapfile -t files < <(git ls-files '*.cpp' | compiled) ;;
  '') mapfile -t files < <(git diff --name-only --diff-filter=d main -- '*.cpp' | compiled) ;;
  *) files=("$@") ;;
esac
((${#files[@]} > 0)) || { echo "No source differs from main."; exit 0; }

printf '%s\0' "${files[@]}" |
  xargs -0 -P "$(nproc)" -n 1 clang-tidy -p "$build" --quiet --warnings-as-errors='*'
