#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# Installs what the library, its tests, samples and benchmarks are built with, as far as it is
# missing; says nothing when all is there.
#
#   cmake/install-dependencies.sh [MORE_PACKAGES...]
#
# MULTIPROCESSING_NO_INSTALL=1 forbids the installation: the script then names what is missing.
set -euo pipefail

# A program may come from anywhere, the rest from Debian's packages only.
programs=(g++:g++ cmake:cmake ninja:ninja-build pkg-config:pkgconf python3:python3
          clang-format:clang-format)
libraries=(libboost-dev libboost-serialization-dev libfmt-dev libspdlog-dev libssl-dev libgtest-dev
           libbenchmark-dev libcli11-dev)

missing=()
for pair in "${programs[@]}"; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done

if ! command -v dpkg-query >/dev/null; then
  echo "This is not Debian: install the counterparts of ${missing[*]} ${libraries[*]} $* yourself." >&2
  exit 0  # CMake looks for each and names what it does not find.
fi
for package in "${libraries[@]}" "$@"; do
  # A Boost of another version than Debian's default (libboost1.81-dev) does as well.
  versions="${package%-dev}[0-9].[0-9][0-9]-dev"
  status=$(dpkg-query --show --showformat '${db:Status-Status}\n' "$package" "$versions" \
           2>/dev/null || true)
  grep -qx installed <<<"$status" || missing+=("$package")
done
((${#missing[@]} == 0)) && exit 0

give_up() {
  echo "Missing Debian packages: ${missing[*]}" >&2
  echo "$1 Install them with: sudo apt-get install ${missing[*]}" >&2
  exit 1
}

[[ -z ${MULTIPROCESSING_NO_INSTALL:-} ]] || give_up "MULTIPROCESSING_NO_INSTALL is set."
sudo=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || give_up "They cannot be installed without root or sudo."
  sudo=(sudo)
  [[ -t 0 ]] || sudo+=(-n)  # nobody is there to type a password
fi

log=$(mktemp -t multiprocessing-apt.XXXXXX)
trap 'rm -f "$log"' EXIT
apt_get() {
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y --no-remove -o DPkg::Lock::Timeout=300 "$@" \
    </dev/null >>"$log" 2>&1
}
echo "Installing Debian packages: ${missing[*]}"
install=(install --no-install-recommends "${missing[@]}")
# The lists of packages may be absent or stale; they are only fetched when they have to be.
if ! apt_get "${install[@]}" && ! { apt_get update && apt_get "${install[@]}"; }; then
  cat "$log" >&2
  give_up "apt-get failed, see above."
fi
