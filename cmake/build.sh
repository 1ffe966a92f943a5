# shellcheck shell=bash
# SPDX-License-Identifier: BSL-1.0
# How ./samples/run, ./tests/run and ./benchmarks/run build: to be sourced in the root folder.
#
#   prepare [<package>...]           installs the Debian packages that are missing, those too
#   build <preset> [<target>...]     configures and builds; the log is build/<preset>/build.log

prepare() {
  cmake/install-dependencies.sh "$@"
  if [[ -z ${CMAKE_CXX_COMPILER_LAUNCHER:-} ]] && command -v ccache >/dev/null; then
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache
  fi
}

build() {
  local preset=$1 log=build/$1/build.log
  shift
  mkdir -p "build/$preset"
  [[ $# == 0 ]] || set -- --target "$@"
  echo "Building (log: $log)" >&2
  if ! { cmake --preset "$preset" && cmake --build --preset "$preset" "$@"; } >"$log" 2>&1; then
    # Of a compiler's output the first error says most.
    grep -m 1 -A 30 -E 'FAILED|CMake Error|error:' "$log" >&2 || tail -n 30 "$log" >&2
    echo "The build failed; all of it is in $log." >&2
    return 1
  fi
}
