#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# Builds and runs one source file against the installed static library with other flags: what a
# linker does to functions decides whether a fresh image of the program finds them again.
#   build_in_another_way.sh PREFIX LIBDIR SOURCE PROGRAM COMPILER FLAGS...
set -euo pipefail
prefix=$1 libdir=$1/$2 source=$3 program=$4
shift 4

export PKG_CONFIG_PATH=$libdir/pkgconfig
read -ra flags < <(pkg-config --static --cflags --libs 'multiprocessing >= 0.1')
"$1" -std=c++20 "${@:2}" "$source" -o "$program" "${flags[@]}" -Wl,-rpath,"$libdir"
exec "$program"
