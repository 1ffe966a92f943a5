#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# Builds and runs one source file with what pkg-config says of the library below a prefix.
#   consume_with_pkg_config.sh PREFIX LIBDIR SOURCE PROGRAM COMPILER [FLAGS...]
set -euo pipefail
prefix=$1 libdir=$1/$2 source=$3 program=$4
shift 4

export PKG_CONFIG_PATH=$libdir/pkgconfig
read -ra flags < <(pkg-config --cflags --libs 'multiprocessing >= 0.1')
echo "$prefix: ${flags[*]}"
"$@" -std=c++20 -Wall -Wextra -Werror "$source" -o "$program" "${flags[@]}" -Wl,-rpath,"$libdir"
exec "$program"
