#!/usr/bin/env bash
# Everything that has to pass: installs what is missing, builds, runs all tests, then the unit tests
# again under AddressSanitizer and UBSan, then the fuzz targets.
#   tests/run.sh          all of it, about 20 minutes on 2 cores
#   tests/run.sh quick    the release build and its tests
#   tests/run.sh build    the release build alone
set -euo pipefail
cd "$(dirname "$0")/.."
cores=$(nproc)

install_packages() {
    local missing=() package
    while read -r package; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing+=("$package")
    done < <(grep -v '^#' tests/packages.txt)
    [ ${#missing[@]} -eq 0 ] && return
    local sudo=
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

build() { # preset [target]
    echo "== build: $1"
    cmake --preset "$1" -G Ninja >/dev/null
    cmake --build --preset "$1" -j "$cores" ${2:+--target "$2"} | tail -n 3
}

command -v apt-get >/dev/null && install_packages
build release
[ "${1:-all}" = build ] && exit 0
echo "== tests"
ctest --test-dir build/release --output-on-failure -j $((cores + 1)) # Slurm's wait most of the time
[ "${1:-all}" = quick ] && exit 0
build asan
echo "== tests under AddressSanitizer and UBSan"
ctest --test-dir build/asan --output-on-failure -j "$cores" -L 'unit|mpi|asan'
build fuzz fuzz_targets
echo "== fuzz targets"
ctest --test-dir build/fuzz --output-on-failure -j "$cores" -L fuzz
