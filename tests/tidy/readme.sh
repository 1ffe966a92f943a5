#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# Fails when C++ in README.md is not what the samples say; --fix writes it anew.
#
# A block stands below a comment that names a sample and a tag:
#     <!-- cut from samples/NAME.cpp [readme:TAG] -->
# and holds the lines between `// [readme:TAG]` and `// [/readme:TAG]`, shifted to the left.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

expected=$(awk '
  function fail(why) { print "README.md:" NR ": " why > "/dev/stderr"; failed = 1; exit 1 }
  function cut(file, tag,    line, inside, count, lines, indent, i) {
    indent = 1000
    while ((getline line < file) > 0) {
      if (index(line, "// [/readme:" tag "]")) inside = 0
      if (inside) {
        lines[++count] = line
        if (match(line, /[^ ]/) && RSTART - 1 < indent) indent = RSTART - 1
      }
      if (index(line, "// [readme:" tag "]")) inside = 1
    }
    close(file)
    if (count == 0) fail("nothing to cut at [readme:" tag "] in " file)
    for (i = 1; i <= count; ++i) print substr(lines[i], indent + 1)
  }
  /^```/ && skipping { skipping = 0 }
  skipping { next }
  { print }
  /^```cpp/ {
    if (file == "") fail("a block of C++ without a comment that says where it is cut from")
    cut(file, tag); file = ""; skipping = 1
  }
  /^<!-- cut from / {
    file = $4; tag = $5
    gsub(/^\[readme:|\]$/, "", tag)
  }
' README.md)

if [[ ${1:-} == --fix ]]; then
  printf '%s\n' "$expected" >README.md
elif ! diff -u README.md - <<<"$expected"; then
  echo "README.md differs from the samples: tests/tidy/readme.sh --fix" >&2
  exit 1
fi
